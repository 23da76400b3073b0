//! A small database in MaxMind's format, written byte by byte for tests.
//!
//! <https://maxmind.github.io/MaxMind-DB/>: a binary tree over the bits of an address, sixteen
//! zeros, what its leaves say, and a description of all that.

use std::net::Ipv4Addr;

const MAP: u8 = 7;
const TEXT: u8 = 2;
const U16: u8 = 5;
const U32: u8 = 6;
/// Types from 8 on stand in a second byte, less 7.
const U64: u8 = 9;
const ARRAY: u8 = 11;

/// Where a branch of the tree leads.
#[derive(Clone, Copy)]
enum Branch {
    Nothing,
    Node(usize),
    Leaf(usize),
}

/// Writes a database that says the country of each of these networks of IPv4.
pub fn database(kind: &str, networks: &[(&str, u32, &str)]) -> Vec<u8> {
    let (mut tree, mut data) = (vec![[Branch::Nothing; 2]], Vec::new());
    for (address, n_bits, country) in networks {
        let bits = address.parse::<Ipv4Addr>().unwrap().to_bits();
        let leaf = data.len();
        control(&mut data, MAP, 1);
        text(&mut data, "country");
        control(&mut data, MAP, 1);
        text(&mut data, "iso_code");
        text(&mut data, country);
        let mut at = 0;
        for bit in 0..*n_bits {
            let side = ((bits >> (31 - bit)) & 1) as usize;
            if bit == n_bits - 1 {
                tree[at][side] = Branch::Leaf(leaf);
                break;
            }
            at = match tree[at][side] {
                Branch::Node(next) => next,
                _ => {
                    tree.push([Branch::Nothing; 2]);
                    let next = tree.len() - 1;
                    tree[at][side] = Branch::Node(next);
                    next
                }
            };
        }
    }
    let n_nodes = tree.len();
    let mut res = Vec::new();
    for branch in tree.into_iter().flatten() {
        let number = match branch {
            Branch::Nothing => n_nodes,
            Branch::Node(node) => node,
            Branch::Leaf(place) => n_nodes + 16 + place,
        };
        res.extend_from_slice(&(number as u32).to_be_bytes()[1..]);
    }
    res.extend_from_slice(&[0; 16]);
    res.append(&mut data);
    res.extend_from_slice(b"\xab\xcd\xefMaxMind.com");
    describe(&mut res, kind, n_nodes);
    res
}

fn describe(res: &mut Vec<u8>, kind: &str, n_nodes: usize) {
    control(res, MAP, 9);
    for (name, of, value) in [
        ("binary_format_major_version", U16, 2_u64),
        ("binary_format_minor_version", U16, 0),
        ("build_epoch", U64, 1_800_000_000),
        ("ip_version", U16, 4),
        ("node_count", U32, n_nodes as u64),
        ("record_size", U16, 24),
    ] {
        text(res, name);
        let bytes = value.to_be_bytes();
        let from = bytes.iter().position(|byte| *byte != 0).unwrap_or(bytes.len());
        control(res, of, bytes.len() - from);
        res.extend_from_slice(&bytes[from..]);
    }
    text(res, "database_type");
    text(res, kind);
    text(res, "description");
    control(res, MAP, 0);
    text(res, "languages");
    control(res, ARRAY, 0);
}

fn text(res: &mut Vec<u8>, text: &str) {
    control(res, TEXT, text.len());
    res.extend_from_slice(text.as_bytes());
}

/// Writes the type and the size of what follows; a size below 29 stands in the first byte.
fn control(res: &mut Vec<u8>, of: u8, size: usize) {
    assert!(size < 29, "larger sizes have another form");
    match of {
        0..=7 => res.push(of << 5 | size as u8),
        _ => res.extend_from_slice(&[size as u8, of - 7]),
    }
}
