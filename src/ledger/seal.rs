//! Checksums: SQLite has none of its own, so that a flipped bit in a page would go unseen.
//!
//! What is *sealed* is followed by a tag over itself and its context: what kind of record it is and whose. So a record
//! that was altered is not read, nor one that got into another's place. It guards against accidents, not against
//! somebody who may write to the state directory: the tag has no secret.

/// The tag's length: 128 bits leave no room for an accident.
pub const TAG: usize = 16;

/// The tag of `data` in this context.
pub fn tag(context: &[&[u8]], data: &[u8]) -> [u8; TAG] {
    let mut hasher = blake3::Hasher::new();
    for part in context {
        // With its length, so that no two contexts read the same.
        hasher.update(&(part.len() as u64).to_le_bytes());
        hasher.update(part);
    }
    hasher.update(data);
    let mut tag = [0; TAG];
    hasher.finalize_xof().fill(&mut tag);
    tag
}

/// `data` with its tag behind it.
pub fn seal(context: &[&[u8]], mut data: Vec<u8>) -> Vec<u8> {
    let tag = tag(context, &data);
    data.extend_from_slice(&tag);
    data
}

/// What was sealed in this context; `None` where it is not as it was.
pub fn unseal<'a>(context: &[&[u8]], sealed: &'a [u8]) -> Option<&'a [u8]> {
    let (data, have) = sealed.split_last_chunk::<TAG>()?;
    (tag(context, data) == *have).then_some(data)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_altered_or_is_in_anothers_place_is_not_read() {
        let sealed = seal(&[b"row", b"a"], b"data".to_vec());
        assert_eq!(unseal(&[b"row", b"a"], &sealed), Some(&b"data"[..]));
        assert_eq!(unseal(&[b"row", b"b"], &sealed), None);
        assert_eq!(unseal(&[b"rowa"], &sealed), None);
        for bit in 0..sealed.len() * 8 {
            let mut other = sealed.clone();
            other[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(unseal(&[b"row", b"a"], &other), None, "bit {bit}");
        }
        for length in 0..sealed.len() {
            assert_eq!(unseal(&[b"row", b"a"], &sealed[..length]), None);
        }
    }
}
