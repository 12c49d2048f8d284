//! Files of the state directory that are known to be whole: a digest of the rest is their first line.
//!
//! Called by what keeps plans and pauses there. It knows neither, and writes nothing.

/// The text of a file that holds this line.
pub fn seal(line: &str) -> String {
    format!("{}\n{line}\n", digest(&format!("{line}\n")))
}

/// What such a file holds.
///
/// # Errors
///
/// What is wrong with it.
pub fn unseal(text: &str) -> Result<&str, &'static str> {
    let (sum, line) = text.split_once('\n').ok_or("it is cut off")?;
    match sum == digest(line) {
        true => Ok(line),
        false => Err("it is damaged"),
    }
}

fn digest(text: &str) -> String {
    blake3::hash(text.as_bytes()).to_hex().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_whole_is_read_and_no_part_of_it() {
        let text = seal("{\"a\": 1}");
        assert_eq!(unseal(&text), Ok("{\"a\": 1}\n"));
        for end in 0..text.len() {
            assert!(unseal(&text[..end]).is_err(), "{end}");
        }
        assert_eq!(unseal(&text.replace('1', "2")), Err("it is damaged"));
        assert_eq!(unseal(""), Err("it is cut off"));
    }
}
