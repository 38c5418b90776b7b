//! Wav files of 16-bit mono samples: written for phones to play, read back from their recordings.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail, ensure};

/// Writes `samples` at `rate` samples per second.
///
/// # Errors
/// When the file cannot be written.
pub fn write(path: &Path, rate: u32, samples: &[i16]) -> Result<()> {
    fs::write(path, bytes(rate, samples)?).with_context(|| format!("write {}", path.display()))
}

/// The same in memory.
///
/// # Errors
/// When there are too many samples for the format.
pub fn bytes(rate: u32, samples: &[i16]) -> Result<Vec<u8>> {
    let data_bytes = u32::try_from(samples.len() * 2).context("too long for a wav file")?;
    let mut bytes = Vec::with_capacity(samples.len() * 2 + 44);
    bytes.extend_from_slice(b"RIFF");
    bytes.extend_from_slice(&(36 + data_bytes).to_le_bytes());
    bytes.extend_from_slice(b"WAVEfmt ");
    bytes.extend_from_slice(&16u32.to_le_bytes());
    bytes.extend_from_slice(&1u16.to_le_bytes()); // PCM
    bytes.extend_from_slice(&1u16.to_le_bytes()); // mono
    bytes.extend_from_slice(&rate.to_le_bytes());
    bytes.extend_from_slice(&(rate * 2).to_le_bytes());
    bytes.extend_from_slice(&2u16.to_le_bytes());
    bytes.extend_from_slice(&16u16.to_le_bytes());
    bytes.extend_from_slice(b"data");
    bytes.extend_from_slice(&data_bytes.to_le_bytes());
    bytes.extend(samples.iter().flat_map(|sample| sample.to_le_bytes()));
    Ok(bytes)
}

/// Reads rate and samples. A length that the writer never filled in (still recording, or killed)
/// means "to the end of the file".
///
/// # Errors
/// When it is no 16-bit mono PCM wav file.
pub fn read(path: &Path) -> Result<(u32, Vec<i16>)> {
    let bytes = fs::read(path).with_context(|| format!("read {}", path.display()))?;
    parse(&bytes).with_context(|| format!("in {}", path.display()))
}

fn parse(bytes: &[u8]) -> Result<(u32, Vec<i16>)> {
    ensure!(bytes.starts_with(b"RIFF") && bytes.get(8..12) == Some(b"WAVE"), "not a wav file");
    let mut rest = bytes.get(12..).unwrap_or_default();
    let mut rate = None;
    while let Some((head, body)) = rest.split_at_checked(8) {
        let length = u32::from_le_bytes([head[4], head[5], head[6], head[7]]) as usize;
        match &head[..4] {
            b"fmt " => {
                let format = body.get(..16).context("short fmt chunk")?;
                let word = |at: usize| u16::from_le_bytes([format[at], format[at + 1]]);
                ensure!((word(2), word(14)) == (1, 16), "not 16-bit mono");
                rate = Some(u32::from_le_bytes([format[4], format[5], format[6], format[7]]));
            }
            b"data" => {
                let length = if length == 0 { body.len() } else { length.min(body.len()) };
                let samples = body[..length]
                    .chunks_exact(2)
                    .map(|pair| i16::from_le_bytes([pair[0], pair[1]]))
                    .collect();
                return Ok((rate.context("data before fmt")?, samples));
            }
            _ => {}
        }
        rest = body.get(length + length % 2..).unwrap_or_default();
    }
    bail!("no data chunk")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::temp_dir::TempDir;

    #[test]
    fn what_is_written_is_read_back() {
        let dir = TempDir::new("wav").unwrap();
        let path = dir.path().join("a.wav");
        write(&path, 8_000, &[1, -2, 300]).unwrap();
        assert_eq!(read(&path).unwrap(), (8_000, vec![1, -2, 300]));
    }

    #[test]
    fn an_unfilled_length_means_to_the_end() {
        let dir = TempDir::new("wav").unwrap();
        let path = dir.path().join("a.wav");
        write(&path, 8_000, &[5, 6]).unwrap();
        let mut bytes = fs::read(&path).unwrap();
        bytes[40..44].fill(0);
        assert_eq!(parse(&bytes).unwrap().1, [5, 6]);
        assert!(parse(b"RIFFxxxxWAVE").is_err());
    }
}
