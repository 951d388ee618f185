//! The building code: floors, fences, first lines, lengths and forbidden words. To change a rule, change it here, in the open.
//!
//! Files are parsed, so that grouped imports, `super::super::` and what stands after the tests count too.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on should stop")]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use proc_macro2::{Ident, TokenStream, TokenTree};
use syn::spanned::Spanned as _;
use syn::visit::{self, Visit};

/// A room uses rooms on lower floors, never on its own floor or above. The nouns are the ground under floor 0.
const FLOORS: &[&[&str]] = &[
    &["iso"],
    &["planted", "seal", "systemd"],
    &["dialect", "framing", "meter", "record"],
    &["codec", "journal"],
    &["link", "mapping", "route", "tranlog"],
    &["clearing"],
    &["switch"],
    &["books", "console", "sim", "tools"],
    &["ledger"],
    &["config"],
    &["daemon"],
    &["cli", "lib", "main"],
];

/// A path, and the rooms that may name it outside their tests.
const FENCES: &[(&str, &[&str])] = &[
    ("aes_gcm_siv", &["seal"]),
    ("annotate_snippets", &["config"]),
    ("axum", &["console"]),
    ("base64", &["tools"]),
    ("clap", &["cli"]),
    ("dashmap", &["link"]),
    ("getrandom", &["cli", "daemon", "link", "sim"]),
    ("hmac", &["seal"]),
    ("metrics", &["meter"]),
    ("nom", &["codec", "dialect"]),
    ("rusqlite", &["books", "journal", "ledger"]),
    ("rustls", &["link"]),
    ("sd_notify", &["systemd"]),
    ("std::fs", &["books", "cli", "config", "daemon", "journal", "ledger", "sim", "tools"]),
    ("std::thread", &["books", "cli", "daemon", "journal", "ledger", "sim"]),
    ("tokio", &["cli", "console", "daemon", "link", "sim"]),
    ("tokio_rustls", &["link"]),
    ("tokio_util", &["console", "daemon", "framing", "link", "sim", "tools"]),
    ("toml", &["config"]),
];

/// Rooms without a runtime, socket, clock, disk or randomness.
const PURE: &[&str] = &[
    "clearing", "codec", "dialect", "framing", "iso", "mapping", "record", "route", "switch",
    "tranlog",
];

/// What pure rooms never name, in their tests neither.
const IMPURE: &[&str] = &[
    "getrandom",
    "rusqlite",
    "std::env",
    "std::fs",
    "std::net",
    "std::process",
    "std::thread",
    "tokio",
];

/// Names that say nothing.
const NAMELESS: &[&str] = &["common", "helper", "helpers", "manager", "misc", "util", "utils"];

/// What does not reach the main branch, anywhere in a file; written apart so that this file may say it.
const WORDS: &[&str] = &[
    concat!("FIX", "ME"),
    concat!("TO", "DO"),
    concat!("to", "do!"),
    concat!("un", "implemented!"),
    concat!("not yet imple", "mented"),
    concat!("for ", "now,"),
    concat!("#[should_", "panic"),
    concat!("#[ign", "ore"),
    concat!("#[al", "low("),
];

const FILE_LINES_MAX: usize = 600;
const MAIN_LINES_MAX: usize = 40;

/// No fault at all.
const NONE: [String; 0] = [];

#[test]
fn the_building_code() {
    let home = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut faults = BTreeSet::new();
    for dir in ["src", "tests", "benches", "fuzz/fuzz_targets"] {
        let inspect = if dir == "src" { inspect_room } else { inspect_prose };
        let dir = home.join(dir);
        for path in rust_files(&dir) {
            let file = path.strip_prefix(&dir).unwrap().to_str().unwrap();
            let text = fs::read_to_string(&path).unwrap();
            for fault in inspect(file, &text) {
                faults.insert(format!("{}: {fault}", path.strip_prefix(home).unwrap().display()));
            }
        }
    }
    assert!(faults.is_empty(), "\n{}\n", faults.into_iter().collect::<Vec<_>>().join("\n"));
}

#[test]
fn the_house_is_the_table() {
    let home = Path::new(env!("CARGO_MANIFEST_DIR"));
    let list = fs::read_to_string(home.join("src/lib.rs")).unwrap();
    for item in syn::parse_file(&list).unwrap().items {
        let syn::Item::Mod(room) = item else { panic!("src/lib.rs lists rooms and nothing else") };
        let room = room.ident.to_string();
        assert!(floor(&room).is_some(), "room `{room}` is on no floor of tests/tidy.rs");
    }
}

#[test]
fn the_building_code_is_enforced() {
    const UNNAMED: &str = "begins without a //! line that says what it owns";
    let cases: [(_, _, &[&str]); _] = [
        ("iso/mod.rs", "//! Nouns.\nuse std::fmt;\n", &[]),
        ("iso/mod.rs", "use std::fmt;\n", &[UNNAMED]),
        ("iso/mod.rs", "//!\n", &[UNNAMED]),
        ("iso/utils.rs", "//! I.\n", &["`utils` is not a name"]),
        ("iso/mod.rs", "//! I.\nmod helpers;\n", &["`helpers` is not a name"]),
        ("attic/mod.rs", "//! A.\n", &["room `attic` is on no floor of tests/tidy.rs"]),
        // Tests come last; words do not pass.
        (
            "iso/mod.rs",
            "//! I.\n#[cfg(test)]\nmod tests {}\nfn after() {}\n",
            &["line 4: after `mod tests`, which comes last"],
        ),
        (
            "iso/mod.rs",
            "//! I.\n#[cfg(test)]\nmod tests {}\nuse crate::sim;\n",
            &["line 4: after `mod tests`, which comes last", "line 4: `iso` may not use `sim`"],
        ),
        ("iso/mod.rs", concat!("//! I.\n// FIX", "ME\n"), &[concat!("says `FIX", "ME`")]),
        (
            "iso/mod.rs",
            concat!("//! I.\n#[al", "low(dead_code)]\nfn f() {}\n"),
            &[concat!("says `#[al", "low(`")],
        ),
    ];
    for (file, text, faults) in cases {
        assert_eq!(inspect_room(file, text), faults, "{file}\n{text}");
    }
    assert_eq!(inspect_prose("a.rs", "fn f() {}\n"), [UNNAMED]);
}

#[test]
fn floors_are_enforced() {
    for (file, text, fault) in [
        ("codec/mod.rs", "use crate::switch::Engine;", "`codec` may not use `switch`"),
        ("codec/mod.rs", "use crate::journal;", "`codec` may not use `journal`"),
        ("codec/mod.rs", "use crate::{iso::Mti, link::{A, B as C}};", "`codec` may not use `link`"),
        ("codec/a.rs", "use super::super::books as b;", "`codec` may not use `books`"),
        ("codec/a.rs", "use super::{super::books::Books};", "`codec` may not use `books`"),
        ("codec/a.rs", "use super::super::{iso, sim::*};", "`codec` may not use `sim`"),
        ("codec/a.rs", "mod m { use super::super::super::sim; }", "`codec` may not use `sim`"),
        ("codec.rs", "use super::books::Books;", "`codec` may not use `books`"),
        ("codec/mod.rs", "fn f() { crate::daemon::run() }", "`codec` may not use `daemon`"),
        ("codec/mod.rs", "fn f() { m!(a, [crate::daemon::RUN]) }", "`codec` may not use `daemon`"),
        ("codec/mod.rs", "fn f(a: &crate::config::A) {}", "`codec` may not use `config`"),
        ("codec/mod.rs", "#[cfg(test)] mod tests { use crate::sim; }", "`codec` may not use `sim`"),
    ] {
        let text = format!("//! Room.\n{text}\n");
        assert_eq!(inspect_room(file, &text), [format!("line 2: {fault}")], "{file}\n{text}");
    }
    for (file, text) in [
        ("codec/a.rs", "use super::link::Span;"),
        ("codec/a.rs", "use crate::codec::link::Span;"),
        ("codec/mod.rs", "use crate::{dialect::Dialect, iso::{Mti, Pan}};"),
        ("cli/mod.rs", "use crate::{codec, config, daemon};"),
        ("main.rs", "use iso8583d::cli;"),
    ] {
        assert_eq!(inspect_room(file, &format!("//! Room.\n{text}\n")), NONE, "{file}\n{text}");
    }
}

#[test]
fn fences_are_enforced() {
    for (file, text, fault) in [
        ("record/mod.rs", "use nom::IResult;", "`nom` is fenced off from here"),
        ("link/mod.rs", "use {clap::Parser as P};", "`clap` is fenced off from here"),
        ("link/mod.rs", "#[derive(clap::Parser)] struct A;", "`clap` is fenced off from here"),
        ("link/mod.rs", "fn f() { rusqlite::open() }", "`rusqlite` is fenced off from here"),
        ("link/mod.rs", "extern crate rusqlite as r;", "`rusqlite` is fenced off from here"),
        ("link/mod.rs", "use std::{fs::File, io};", "`std::fs` is fenced off from here"),
        ("link/mod.rs", "fn f() { metrics::counter!(1); }", "`metrics` is fenced off from here"),
        ("link/mod.rs", "fn f() { m!(metrics::X) }", "`metrics` is fenced off from here"),
        // Pure rooms stay pure, in their tests as well.
        (
            "route/mod.rs",
            "#[cfg(test)] mod tests { use tokio::net; }",
            "`tokio` has no place in a pure room",
        ),
        ("iso/mod.rs", "use std::net::IpAddr;", "`std::net` has no place in a pure room"),
    ] {
        let text = format!("//! Room.\n{text}\n");
        assert_eq!(inspect_room(file, &text), [format!("line 2: {fault}")], "{file}\n{text}");
    }
    for (file, text) in [
        ("dialect/mod.rs", "use nom::IResult;"),
        ("meter/mod.rs", "fn f() { metrics::counter!(1); }"),
        ("framing/mod.rs", "use tokio_util::codec::Decoder;"),
        ("books/mod.rs", "#[cfg(test)] mod tests { use tokio::net; }"),
    ] {
        assert_eq!(inspect_room(file, &format!("//! Room.\n{text}\n")), NONE, "{file}\n{text}");
    }
}

#[test]
fn lengths_are_enforced() {
    let long = format!("//! Long.\n{}", "// line\n".repeat(FILE_LINES_MAX));
    assert_eq!(inspect_room("iso/mod.rs", &long), ["601 lines before its tests; 600 at most"]);
    let lines = "// line\n".repeat(FILE_LINES_MAX);
    let tested = format!("//! Long tests.\n#[cfg(test)]\nmod tests {{\n{lines}}}\n");
    assert_eq!(inspect_room("iso/mod.rs", &tested), NONE);
    let main = format!("//! Main.\n{}", "// line\n".repeat(MAIN_LINES_MAX));
    assert_eq!(inspect_room("main.rs", &main), ["41 lines before its tests; 40 at most"]);
}

/// What every file must keep to, wherever it lies.
fn inspect_prose(_: &str, text: &str) -> Vec<String> {
    let mut faults = Vec::new();
    if !text.starts_with("//! ") {
        faults.push(String::from("begins without a //! line that says what it owns"));
    }
    let said = WORDS.iter().filter(|word| text.contains(**word));
    faults.extend(said.map(|word| format!("says `{word}`")));
    faults
}

/// What a file of the house must keep to. `file` is its path below `src`.
fn inspect_room(file: &str, text: &str) -> Vec<String> {
    let mut faults = inspect_prose(file, text);
    let room = file.split(['/', '.']).next().unwrap();
    faults.extend(nameless(Path::new(file).file_stem().unwrap().to_str().unwrap()));
    let Some(here) = floor(room) else {
        faults.push(format!("room `{room}` is on no floor of tests/tidy.rs"));
        return faults;
    };
    let parsed = match syn::parse_file(text) {
        Ok(parsed) => parsed,
        Err(fault) => return vec![format!("does not parse: {fault}")],
    };
    faults.extend(length_and_order(file, text, &parsed));
    let mut named = Named { module: module_of(file), ..Named::default() };
    named.visit_file(&parsed);
    faults.extend(named.modules.iter().filter_map(|name| nameless(name)));
    let said: BTreeSet<_> = named.paths.iter().filter_map(|path| path.fault(room, here)).collect();
    faults.extend(said);
    faults
}

fn nameless(name: &str) -> Option<String> {
    NAMELESS.contains(&name).then(|| format!("`{name}` is not a name"))
}

fn length_and_order(file: &str, text: &str, parsed: &syn::File) -> Vec<String> {
    let mut faults = Vec::new();
    let is_tests = |item: &syn::Item| matches!(item, syn::Item::Mod(m) if m.ident == "tests");
    let mut lines = text.lines().count();
    let mut rest = parsed.items.iter().skip_while(|item| !is_tests(item));
    if let Some(tests) = rest.next() {
        lines = tests.span().start().line - 1;
        faults.extend(rest.next().map(|item| {
            let line = item.span().start().line;
            format!("line {line}: after `mod tests`, which comes last")
        }));
    }
    let most = if file == "main.rs" { MAIN_LINES_MAX } else { FILE_LINES_MAX };
    if most < lines {
        faults.push(format!("{lines} lines before its tests; {most} at most"));
    }
    faults
}

/// The module that a file is, as segments below the crate.
fn module_of(file: &str) -> Vec<String> {
    let path = file.strip_suffix(".rs").unwrap();
    let path = path.strip_suffix("/mod").unwrap_or(path);
    path.split('/').filter(|part| !["lib", "main"].contains(part)).map(str::to_owned).collect()
}

/// Every path and module that a file names.
#[derive(Default)]
struct Named {
    module: Vec<String>,
    in_tests: bool,
    paths: Vec<Naming>,
    modules: Vec<String>,
}

/// A path from the crate's root (`crate` first) or from a package, and where it stands.
struct Naming {
    segments: Vec<String>,
    line: usize,
    in_tests: bool,
}

impl Naming {
    fn fault(&self, room: &str, here: usize) -> Option<String> {
        let line = self.line;
        if self.segments.first().is_some_and(|first| first == "crate") {
            let used = self.segments.get(1).filter(|used| *used != room)?;
            let there = floor(used)?;
            // The top floor opens itself: `lib` lists the rooms.
            let above = here <= there && here + 1 < FLOORS.len();
            return above.then(|| format!("line {line}: `{room}` may not use `{used}`"));
        }
        let text = self.segments.join("::");
        let is = |path: &str| text == path || text.starts_with(&format!("{path}::"));
        if PURE.contains(&room)
            && let Some(path) = IMPURE.iter().find(|path| is(path))
        {
            return Some(format!("line {line}: `{path}` has no place in a pure room"));
        }
        let (path, homes) = FENCES.iter().find(|(path, _)| is(path))?;
        let fenced = !homes.contains(&room) && !self.in_tests;
        fenced.then(|| format!("line {line}: `{path}` is fenced off from here"))
    }
}

impl Named {
    fn name(&mut self, segments: &[String], line: usize) {
        let supers = segments.iter().take_while(|segment| *segment == "super").count();
        let mut whole = Vec::new();
        if supers > 0 {
            whole.push(String::from("crate"));
            let kept = self.module.len().saturating_sub(supers);
            whole.extend(self.module.iter().take(kept).cloned());
        }
        whole.extend(segments.iter().skip(supers).cloned());
        self.paths.push(Naming { segments: whole, line, in_tests: self.in_tests });
    }

    fn tree(&mut self, before: &mut Vec<String>, tree: &syn::UseTree) {
        match tree {
            syn::UseTree::Path(path) => {
                before.push(path.ident.to_string());
                self.tree(before, &path.tree);
                before.pop();
            }
            syn::UseTree::Group(group) => {
                group.items.iter().for_each(|item| self.tree(before, item));
            }
            syn::UseTree::Name(syn::UseName { ident })
            | syn::UseTree::Rename(syn::UseRename { ident, .. }) => self.leaf(before, ident),
            syn::UseTree::Glob(glob) => self.name(before, glob.span().start().line),
        }
    }

    fn leaf(&mut self, before: &mut Vec<String>, ident: &Ident) {
        before.push(ident.to_string());
        self.name(before, ident.span().start().line);
        before.pop();
    }

    /// Paths within what a macro or an attribute gets, which nobody has parsed: words joined by double colons.
    fn tokens(&mut self, tokens: TokenStream) {
        let (mut path, mut line, mut colons) = (Vec::new(), 0, 0);
        for token in tokens {
            match token {
                TokenTree::Ident(ident) => {
                    if colons != 2 {
                        self.joined(&mut path, line);
                        line = ident.span().start().line;
                    }
                    path.push(ident.to_string());
                    colons = 0;
                }
                TokenTree::Punct(punct) if punct.as_char() == ':' => colons += 1,
                TokenTree::Punct(_) | TokenTree::Literal(_) => {
                    self.joined(&mut path, line);
                    colons = 0;
                }
                TokenTree::Group(group) => {
                    self.joined(&mut path, line);
                    self.tokens(group.stream());
                    colons = 0;
                }
            }
        }
        self.joined(&mut path, line);
    }

    /// A word alone is no path: it may be anything.
    fn joined(&mut self, path: &mut Vec<String>, line: usize) {
        if path.len() > 1 {
            self.name(path, line);
        }
        path.clear();
    }
}

impl<'ast> Visit<'ast> for Named {
    fn visit_item_use(&mut self, item: &'ast syn::ItemUse) {
        self.tree(&mut Vec::new(), &item.tree);
    }

    fn visit_item_extern_crate(&mut self, item: &'ast syn::ItemExternCrate) {
        self.leaf(&mut Vec::new(), &item.ident);
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        let segments: Vec<_> =
            path.segments.iter().map(|segment| segment.ident.to_string()).collect();
        if segments.len() > 1 {
            self.name(&segments, path.span().start().line);
        }
        visit::visit_path(self, path);
    }

    fn visit_macro(&mut self, called: &'ast syn::Macro) {
        self.visit_path(&called.path);
        self.tokens(called.tokens.clone());
    }

    fn visit_meta_list(&mut self, list: &'ast syn::MetaList) {
        self.visit_path(&list.path);
        self.tokens(list.tokens.clone());
    }

    fn visit_item_mod(&mut self, item: &'ast syn::ItemMod) {
        let before = self.in_tests;
        self.in_tests |= item.attrs.iter().any(is_test_only);
        self.modules.push(item.ident.to_string());
        self.module.push(item.ident.to_string());
        visit::visit_item_mod(self, item);
        self.module.pop();
        self.in_tests = before;
    }
}

fn is_test_only(attribute: &syn::Attribute) -> bool {
    let syn::Meta::List(list) = &attribute.meta else { return false };
    list.path.is_ident("cfg") && list.tokens.to_string() == "test"
}

fn floor(room: &str) -> Option<usize> {
    FLOORS.iter().position(|rooms| rooms.contains(&room))
}

fn rust_files(dir: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(dir).into_iter().flatten() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(rust_files(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    files
}
