//! Shapes to patterns, by Drain's tree of fixed depth.
//!
//! Drain (He et al., ICWS 2017) sorts lines into a tree, first by how many words they have, then by
//! one word after the other; a node has so many children at most, further words share one. In a leaf a
//! line joins the lines that it has most in common with, if that is enough. Drain does so while lines
//! come in, and the first words get the children. Here all shapes are there at once, and those words do
//! that many lines have: the same shapes come to the same patterns in whatever order they were found.

use std::collections::{BTreeMap, HashMap};

use super::shape::Shape;

/// So many words at one place are told apart, as in Loki. When there are more, only those that stand in
/// one line of so many there.
const CHILDREN_MAX: u64 = 15;

/// So many words from the start are part of the tree, as in Loki.
const DEPTH: usize = 28;

/// What joins a pattern has this part of its words in common: Drain's as its authors published it later
/// (0.4 of words; Loki has 0.3 of words and marks, but here marks are always the same).
const ALIKE_MIN: (usize, usize) = (2, 5);

/// With so many patterns of a leaf a shape is compared; those are the ones of most lines.
const COMPARED_MAX: usize = 64;

/// Puts shapes together that are of one pattern, and returns them by how many lines they have.
pub fn grown(shapes: impl Iterator<Item = Shape>) -> Vec<Shape> {
    let mut by_skeleton: BTreeMap<Vec<u8>, Vec<Shape>> = BTreeMap::new();
    for shape in shapes {
        by_skeleton.entry(shape.skeleton()).or_default().push(shape);
    }
    let mut res = Vec::new();
    for mut shapes in by_skeleton.into_values() {
        sort(&mut shapes);
        branch(shapes, 0, &mut res);
    }
    sort(&mut res);
    res
}

/// Puts what most lines have first; which one came first says nothing.
fn sort(shapes: &mut [Shape]) {
    if shapes.len() > 1 {
        shapes.sort_by_cached_key(|shape| (std::cmp::Reverse(shape.n_lines), shape.key()));
    }
}

/// Sorts shapes of one skeleton into the nodes below a node.
fn branch(shapes: Vec<Shape>, place: usize, res: &mut Vec<Shape>) {
    let n_words = shapes.first().map_or(0, Shape::n_words);
    if shapes.len() < 2 || place == n_words.min(DEPTH) {
        return join(shapes, res);
    }
    let kept = children(&shapes, place);
    let mut below: BTreeMap<Option<String>, Vec<Shape>> = BTreeMap::new();
    for shape in shapes {
        let child = shape.name(place).filter(|name| kept.contains_key(*name)).map(str::to_string);
        below.entry(child).or_default().push(shape);
    }
    below.into_values().for_each(|shapes| branch(shapes, place + 1, res));
}

/// Returns the names that have a child of their own.
fn children(shapes: &[Shape], place: usize) -> HashMap<String, u64> {
    let mut res: HashMap<String, u64> = HashMap::new();
    let (mut n_lines, mut has_names) = (0, false);
    for shape in shapes {
        n_lines += shape.n_lines;
        has_names |= shape.has_names(place);
        if let Some(name) = shape.name(place) {
            match res.get_mut(name) {
                Some(count) => *count += shape.n_lines,
                None => {
                    res.insert(name.to_string(), shape.n_lines);
                }
            }
        }
    }
    if has_names || res.len() as u64 > CHILDREN_MAX {
        res.retain(|_, count| count.saturating_mul(CHILDREN_MAX) >= n_lines);
    }
    res
}

/// Puts the shapes of a leaf together that have enough in common.
fn join(shapes: Vec<Shape>, res: &mut Vec<Shape>) {
    let mut joined: Vec<Shape> = Vec::new();
    for shape in shapes {
        let (min, of) = ALIKE_MIN;
        let mut nearest: Option<(usize, &mut Shape)> = None;
        for known in joined.iter_mut().take(COMPARED_MAX) {
            let n_alike = known.n_alike(&shape);
            let is_nearer = nearest.as_ref().is_none_or(|(most, _)| n_alike > *most);
            if is_nearer && n_alike * of >= shape.n_words() * min {
                nearest = Some((n_alike, known));
            }
        }
        match nearest {
            Some((_, known)) => known.merge(&shape),
            None => joined.push(shape),
        }
    }
    res.append(&mut joined);
}

#[cfg(test)]
mod tests {
    use super::super::cut::Cutter;
    use super::super::shape::Shapes;
    use super::*;

    fn check(lines: &[String], expect: &[(u64, &str)]) {
        let mined = |lines: &mut dyn Iterator<Item = &String>| {
            let (mut shapes, mut cutter) = (Shapes::default(), Cutter::new());
            for line in lines {
                let cut = cutter.cut(line);
                shapes.add(0, cut, &cutter, 0);
            }
            let grown = grown(shapes.take());
            grown.iter().map(|shape| (shape.n_lines, shape.pattern())).collect::<Vec<_>>()
        };
        let expect: Vec<(u64, String)> = expect.iter().map(|(n, text)| (*n, text.to_string())).collect();
        assert_eq!(mined(&mut lines.iter()), expect);
        assert_eq!(mined(&mut lines.iter().rev()), expect, "in the other order");
    }

    /// A name without a digit for each number.
    fn name(n: u32) -> String {
        n.to_string().bytes().map(|digit| char::from(digit - b'0' + b'k')).collect()
    }

    #[test]
    fn few_names_are_told_apart_and_many_are_one_placeholder() {
        let few: Vec<String> = (0..3).map(|n| format!("user {} logged in", name(n))).collect();
        check(&few, &[(1, "user k logged in"), (1, "user l logged in"), (1, "user m logged in")]);
        let many: Vec<String> = (0..40).map(|n| format!("user {} logged in from {n}", name(n))).collect();
        check(&many, &[(40, "user <_> logged in from <_>")]);
    }

    #[test]
    fn a_name_of_many_lines_is_told_among_many() {
        let line = |n: u32| format!("user {} logged in", if n < 20 { "root".to_string() } else { name(n) });
        let lines: Vec<String> = (0..60).map(line).collect();
        check(&lines, &[(40, "user <_> logged in"), (20, "user root logged in")]);
    }

    #[test]
    fn where_all_words_vary_lines_join_what_they_have_most_in_common_with() {
        let lines: Vec<String> = (0..60)
            .map(|n| match n % 3 {
                0 => format!("{} said hello to {}", name(n), name(n + 100)),
                1 => format!("{} went away from {}", name(n), name(n + 200)),
                _ => format!(
                    "{} {} {} {} {}",
                    name(n),
                    name(n + 300),
                    name(n + 400),
                    name(n + 500),
                    name(n + 600)
                ),
            })
            .collect();
        let (mut shapes, mut cutter) = (Shapes::default(), Cutter::new());
        for line in &lines {
            let cut = cutter.cut(line);
            shapes.add(0, cut, &cutter, 0);
        }
        let grown = grown(shapes.take());
        assert_eq!(grown[0].pattern(), "<_> said hello to <_>");
        assert_eq!(grown[1].pattern(), "<_> went away from <_>");
        assert_eq!((grown[0].n_lines, grown[1].n_lines, grown.len()), (20, 20, 22));
    }

    #[test]
    fn messages_of_other_names_stay_apart() {
        let lines: Vec<String> = (0..40)
            .map(|n| format!(r#"{{"{}":"{} came in"}}"#, if n % 2 == 0 { "msg" } else { "log" }, name(n)))
            .collect();
        check(&lines, &[(20, r#"<_>"log":"<_> came in"<_>"#), (20, r#"<_>"msg":"<_> came in"<_>"#)]);
    }
}
