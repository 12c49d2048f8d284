//! A stream that is given up when the other side does not read what it asked for.
//!
//! hyper bounds how long a request may take to come, not how long an answer may take to leave: without this, whoever reads
//! nothing, or a byte now and then, would hold a connection and its answer for ever. What was handed over must have left
//! within [`UNREAD_MAX`]; a stream of events, which flushes each of them, may go on for as long as it is read.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Sleep, sleep};

/// From the first byte that finds no room until all that was handed over has left.
const UNREAD_MAX: Duration = Duration::from_secs(30);

/// The stream, with how long it has been unread.
#[derive(Debug)]
pub(super) struct Patient<S> {
    stream: S,
    bound: Duration,
    unread: Option<Pin<Box<Sleep>>>,
}

impl<S> Patient<S> {
    /// With the usual patience.
    pub(super) fn new(stream: S) -> Patient<S> {
        Patient {
            stream,
            bound: UNREAD_MAX,
            unread: None,
        }
    }

    /// What a write came to; one that found no room starts the time, and ends in an error when it is over.
    fn within<T>(
        &mut self,
        written: Poll<io::Result<T>>,
        context: &mut Context<'_>,
    ) -> Poll<io::Result<T>> {
        if written.is_ready() && self.unread.is_none() {
            return written;
        }
        let bound = self.bound;
        let unread = self.unread.get_or_insert_with(|| Box::pin(sleep(bound)));
        if unread.as_mut().poll(context).is_ready() {
            let error = "the other side does not read its answer";
            return Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, error)));
        }
        written
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Patient<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Patient<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.within(written, context)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(context, slices);
        self.within(written, context)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        // Asked for only when everything was handed to the kernel.
        ready!(Pin::new(&mut self.stream).poll_flush(context))?;
        self.unread = None;
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};
    use tokio::time::Instant;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn who_reads_nothing_is_given_up_and_so_is_who_reads_a_byte_now_and_then() {
        for pause in [None, Some(UNREAD_MAX / 4)] {
            let (near, mut far) = duplex(16);
            let mut near = Patient::new(near);
            let reads = tokio::spawn(async move {
                while let Some(pause) = pause {
                    sleep(pause).await;
                    if far.read_u8().await.is_err() {
                        break;
                    }
                }
                std::future::pending::<()>().await;
                drop(far);
            });
            let began = Instant::now();
            let error = near.write_all(&[0; 1000]).await.unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::TimedOut, "{pause:?}");
            assert!(began.elapsed() <= UNREAD_MAX * 5 / 4, "{pause:?}");
            reads.abort();
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_stream_that_is_read_may_go_on_for_ever() {
        let (near, mut far) = duplex(16);
        let mut near = Patient::new(near);
        tokio::spawn(async move {
            let mut all = [0; 32];
            while far.read_exact(&mut all).await.is_ok() {
                sleep(UNREAD_MAX / 2).await;
            }
        });
        for _ in 0..20 {
            near.write_all(&[0; 32]).await.unwrap();
            near.flush().await.unwrap();
        }
    }
}
