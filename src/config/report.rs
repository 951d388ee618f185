//! Faults of a configuration, each with its place, and all of them drawn as one report; knows no key by name.

use std::cell::{Cell, RefCell};
use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use annotate_snippets::renderer::DEFAULT_TERM_WIDTH;
use annotate_snippets::{Annotation, AnnotationKind, Level, Renderer, Snippet};

/// Everything that is wrong with a configuration, in the order of the file. It holds no secrets.
#[derive(Clone, Debug)]
pub struct Report {
    faults: Vec<Fault>,
}

/// One thing that is wrong, where, and how it is put right.
#[derive(Clone, Debug)]
pub struct Fault {
    source: Arc<Source>,
    span: Range<usize>,
    title: String,
    label: String,
    help: Option<String>,
    /// Another place that has to do with it, and what it has.
    besides: Option<Besides>,
}

/// Another place that has to do with a fault: where, and what it has.
#[derive(Clone, Debug)]
struct Besides {
    source: Arc<Source>,
    span: Range<usize>,
    label: String,
}

/// A text that has faults.
#[derive(Debug)]
pub(super) struct Source {
    /// The file, as people know it.
    pub(super) name: String,
    /// What it holds.
    pub(super) text: String,
}

/// Where the faults of one text are collected.
pub(super) struct Faults {
    source: Arc<Source>,
    list: RefCell<Vec<Fault>>,
    /// What keeps nothing from running.
    warnings: RefCell<Vec<Fault>>,
    /// Where the text itself does not parse.
    torn: RefCell<Vec<Range<usize>>>,
    /// How many were left out.
    more: Cell<usize>,
}

impl Report {
    /// Of faults in any order; of one at least.
    pub fn new(mut faults: Vec<Fault>) -> Self {
        faults.sort_by(|a, b| (&a.source.name, a.span.start).cmp(&(&b.source.name, b.span.start)));
        Self { faults }
    }

    /// How many faults there are; never none.
    pub fn count(&self) -> usize {
        self.faults.len()
    }

    /// The faults, in the order of the file.
    pub fn faults(&self) -> &[Fault] {
        &self.faults
    }

    /// The report as people read it, every fault with its line and a caret; `colour` for a terminal.
    pub fn draw(&self, colour: bool) -> String {
        let renderer = if colour { Renderer::styled() } else { Renderer::plain() };
        let renderer = renderer.term_width(DEFAULT_TERM_WIDTH);
        let mut text = String::new();
        for fault in self.faults.iter().take(FAULTS_MAX) {
            text.push_str(&fault.draw(&renderer));
            text.push_str("\n\n");
        }
        if FAULTS_MAX < self.count() {
            return text + &format!("{FAULTS_MAX} faults, and more");
        }
        let noun = if self.count() == 1 { "fault" } else { "faults" };
        text + &format!("{} {noun}", self.count())
    }
}

/// How many faults are told: whoever reads them begins with the first ones.
const FAULTS_MAX: usize = 100;

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.draw(false))
    }
}

impl std::error::Error for Report {}

impl Fault {
    pub(super) fn new(source: &Arc<Source>, span: Range<usize>, title: String) -> Self {
        let span = source.within(span);
        let source = Arc::clone(source);
        Self { source, span, title, label: String::new(), help: None, besides: None }
    }

    /// What stands under the caret.
    #[must_use]
    pub(super) fn label(mut self, label: impl Into<String>) -> Self {
        self.label = label.into();
        self
    }

    /// How it is put right.
    #[must_use]
    pub(super) fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// Another place that has to do with it, in the same text.
    #[must_use]
    pub(super) fn besides(self, span: Range<usize>, label: impl Into<String>) -> Self {
        let source = Arc::clone(&self.source);
        self.beside(&source, span, label)
    }

    /// Another place that has to do with it, in any text.
    #[must_use]
    pub(super) fn beside(
        mut self,
        source: &Arc<Source>,
        span: Range<usize>,
        label: impl Into<String>,
    ) -> Self {
        let (span, label) = (source.within(span), label.into());
        self.besides = Some(Besides { source: Arc::clone(source), span, label });
        self
    }

    /// What is wrong, in one sentence.
    pub fn title(&self) -> &str {
        &self.title
    }

    /// What exactly is wrong there; empty where the sentence says all.
    pub fn detail(&self) -> &str {
        &self.label
    }

    /// How it is put right.
    pub fn fix(&self) -> Option<&str> {
        self.help.as_deref()
    }

    /// The file that it is in.
    pub fn file(&self) -> &str {
        &self.source.name
    }

    /// Its line and column, from 1 on, in characters.
    pub fn place(&self) -> (usize, usize) {
        let before = self.source.text.get(..self.span.start).unwrap_or_default();
        let line_start = before.rfind('\n').map_or(0, |at| at + 1);
        let column = before.get(line_start..).unwrap_or_default().chars().count() + 1;
        (before.matches('\n').count() + 1, column)
    }

    fn draw(&self, renderer: &Renderer) -> String {
        let caret = (&self.span, self.label.as_str(), AnnotationKind::Primary);
        let beside = self.besides.as_ref().map(|besides| {
            (&besides.source, (&besides.span, besides.label.as_str(), AnnotationKind::Context))
        });
        let here = |source: &Arc<Source>| Arc::ptr_eq(source, &self.source);
        let (same, other): (Vec<_>, Vec<_>) =
            beside.into_iter().partition(|(source, _)| here(source));
        let same = same.into_iter().map(|(_, place)| place);
        let carets: Vec<_> = [caret].into_iter().chain(same).collect();
        let title = Level::ERROR.primary_title(self.title.as_str());
        let mut group = title.element(self.source.snippet(&carets));
        for (source, place) in other {
            group = group.element(source.snippet(&[place]));
        }
        if let Some(help) = &self.help {
            group = group.element(Level::HELP.message(help.as_str()));
        }
        renderer.render(&[group])
    }
}

impl Source {
    fn within(&self, span: Range<usize>) -> Range<usize> {
        let end = self.text.len();
        span.start.min(end)..span.end.min(end)
    }

    /// The lines from the first of these places to the last, and no more: the renderer looks at all that it is given.
    fn snippet<'s>(
        &'s self,
        places: &[(&Range<usize>, &'s str, AnnotationKind)],
    ) -> Snippet<'s, Annotation<'s>> {
        let first = places.iter().map(|(span, ..)| span.start).min().unwrap_or_default();
        let last = places.iter().map(|(span, ..)| span.end).max().unwrap_or_default();
        let text = self.text.as_str();
        let (before, behind) =
            (text.get(..first).unwrap_or_default(), text.get(last..).unwrap_or_default());
        let start = before.rfind('\n').map_or(0, |at| at + 1);
        let end = behind.find('\n').map_or(text.len(), |at| last + at + 1);
        let line = before.matches('\n').count() + 1;
        let snippet = Snippet::source(text.get(start..end).unwrap_or_default())
            .line_start(line)
            .path(self.name.as_str());
        places.iter().fold(snippet, |snippet, (span, label, kind)| {
            snippet.annotation(kind.span(span.start - start..span.end - start).label(*label))
        })
    }
}

impl Faults {
    pub(super) fn new(name: String, text: String) -> Self {
        let source = Arc::new(Source { name, text });
        let (list, warnings, torn) = Default::default();
        Self { source, list, warnings, torn, more: Cell::new(0) }
    }

    pub(super) fn text(&self) -> &str {
        &self.source.text
    }

    pub(super) const fn source(&self) -> &Arc<Source> {
        &self.source
    }

    /// A fault of this text, which is yet to be told.
    pub(super) fn at(&self, span: Range<usize>, title: impl Into<String>) -> Fault {
        Fault::new(&self.source, span, title.into())
    }

    pub(super) fn tell(&self, fault: Fault) {
        if self.is_full() {
            self.more.set(self.more.get() + 1);
            return;
        }
        // What was made of a torn place is nobody's mistake but that one.
        let crosses =
            |torn: &Range<usize>| fault.span.start < torn.end && torn.start < fault.span.end;
        let here = Arc::ptr_eq(&fault.source, &self.source);
        if !(here && self.torn.borrow().iter().any(crosses)) {
            self.list.borrow_mut().push(fault);
        }
    }

    /// Tells of what is wrong and keeps nothing from running.
    pub(super) fn warn(&self, fault: Fault) {
        self.warnings.borrow_mut().push(fault);
    }

    /// What keeps nothing from running, once.
    pub(super) fn take_warnings(&self) -> Vec<Fault> {
        self.warnings.take()
    }

    /// How many were told.
    pub(super) fn count(&self) -> usize {
        self.list.borrow().len() + self.more.get()
    }

    /// Whether there are more than are told already: what is found from here on is only counted.
    pub(super) fn is_full(&self) -> bool {
        FAULTS_MAX < self.list.borrow().len()
    }

    /// The text itself does not parse here.
    pub(super) fn tear(&self, fault: Fault) {
        if self.is_full() {
            self.more.set(self.more.get() + 1);
            return;
        }
        self.torn.borrow_mut().push(fault.span.clone());
        self.list.borrow_mut().push(fault);
    }

    /// Whether what seems to be missing may stand where nothing can be read.
    pub(super) fn torn(&self) -> bool {
        !self.torn.borrow().is_empty()
    }

    pub(super) fn into_list(self) -> Vec<Fault> {
        self.list.into_inner()
    }
}

/// The word of a list that somebody who wrote `word` probably meant.
pub(super) fn meant<'w>(word: &str, list: impl IntoIterator<Item = &'w str>) -> Option<&'w str> {
    let near = |known: &'w str| (distance(word, known), known);
    let limit = word.chars().count().max(3) / 3;
    let list: Vec<_> = list.into_iter().collect();
    let nearest = list.iter().copied().map(near).min().filter(|(far, _)| *far <= limit);
    // Who left the unit out: `timeout`, and it is `timeout_ms`.
    let longer = |known: &&str| known.strip_prefix(word).is_some_and(|rest| rest.starts_with('_'));
    nearest.map(|(_, known)| known).or_else(|| list.iter().copied().find(longer))
}

/// How many letters have to be changed, added, left out or swapped with a neighbour to get from one to the other.
fn distance(from: &str, to: &str) -> usize {
    let to: Vec<char> = to.chars().collect();
    let mut before_last: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=to.len()).collect();
    let mut previous = None;
    for (row, letter) in from.chars().enumerate() {
        let mut this = vec![row + 1];
        for (column, wanted) in to.iter().enumerate() {
            let cell = |cells: &[usize], at: usize| cells.get(at).copied().unwrap_or(usize::MAX);
            let changed = cell(&last, column) + usize::from(letter != *wanted);
            let mut best = changed.min(cell(&last, column + 1) + 1).min(cell(&this, column) + 1);
            let swapped =
                column > 0 && previous == Some(*wanted) && to.get(column - 1) == Some(&letter);
            if swapped {
                best = best.min(cell(&before_last, column - 1).saturating_add(1));
            }
            this.push(best);
        }
        before_last = std::mem::replace(&mut last, this);
        previous = Some(letter);
    }
    last.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances() {
        for (from, to, far) in [
            ("", "", 0),
            ("", "abc", 3),
            ("abc", "", 3),
            ("kitten", "sitting", 3),
            ("timeuot", "timeout", 1),
            ("sesions", "sessions", 1),
        ] {
            assert_eq!(distance(from, to), far, "{from} {to}");
        }
    }

    #[test]
    fn what_was_meant() {
        let keys = ["listen", "length", "dialect", "dial"];
        assert_eq!(meant("lenght", keys), Some("length"));
        assert_eq!(meant("dailect", keys), Some("dialect"));
        assert_eq!(meant("colour", keys), None);
        assert_eq!(meant("x", keys), None);
    }

    #[test]
    fn a_drawing() {
        let faults =
            Faults::new(String::from("a.toml"), String::from("# ä\n[daemon]\nwrokers = 2\n"));
        let span = 14..21;
        assert_eq!(faults.text().get(span.clone()), Some("wrokers"));
        let fault = faults.at(span, "unknown key").label("here").help("did you mean `workers`?");
        faults.tell(fault);
        let report = Report::new(faults.into_list());
        assert_eq!(report.faults().first().unwrap().place(), (3, 1));
        let drawn = report.to_string();
        for part in [
            "error: unknown key",
            "a.toml:3:1",
            "^^^^^^^ here",
            "did you mean `workers`?",
            "1 fault",
        ] {
            assert!(drawn.contains(part), "{part}\nis not in\n{drawn}");
        }
        assert!(report.draw(true).contains('\u{1b}'));
    }
}
