//! Files of answers, for banks that are played: the records that `Reader` reads, in the form that is asked for.

use super::{Layout, Line};
use crate::clearing::frame::Framer;
use crate::clearing::ipm::{IpmRecord, rewrite, subelements};
use crate::clearing::{Charset, ClearingError, Digits};
use crate::iso::{ElementNo, Elements};

/// How a bank writes.
#[derive(Clone, Copy, Debug, Default)]
pub struct Form {
    /// The characters.
    pub charset: Charset,
    /// Whether in blocks of 1,014 bytes.
    pub blocked: bool,
    /// Where it puts things.
    pub layout: Layout,
    /// Whether the file says that it is meant.
    pub production: bool,
}

/// A charge-back.
#[derive(Clone, Copy, Debug)]
pub struct ChargeBack<'a> {
    /// 450 or 453, or 451 or 454 after a second presentment.
    pub function: &'a [u8; 3],
    /// The card.
    pub card: &'a [u8],
    /// The reference of what is charged back, 23 digits.
    pub reference: &'a [u8],
    /// Minor units.
    pub amount: u64,
    /// ISO 4217, three digits.
    pub currency: &'a [u8],
    /// The reason, four digits.
    pub reason: &'a [u8],
}

/// A physical file of answers that is being written; logical files in it one after the other.
#[derive(Debug)]
pub struct Answers {
    form: Form,
    framer: Framer,
    file_id: Vec<u8>,
    number: u32,
    records: u32,
    sum: u64,
}

impl Answers {
    /// Nothing is in it.
    pub const fn new(form: Form) -> Self {
        let framer = Framer::new(form.blocked);
        Self { form, framer, file_id: Vec::new(), number: 0, records: 0, sum: 0 }
    }

    /// A logical file begins.
    pub fn begin(&mut self, file_id: &Digits<25>) -> Result<(), ClearingError> {
        self.file_id = file_id.as_bytes().to_vec();
        (self.number, self.records, self.sum) = (0, 0, 0);
        let mode: &[u8] = if self.form.production { b"P" } else { b"T" };
        let parts = subelements(&[(105, &self.file_id), (122, mode)]);
        self.control(b"697", &[(48, &parts)])
    }

    /// None of our file was taken.
    pub fn reject_file(&mut self, about: &[u8], error: &[u8; 14]) -> Result<(), ClearingError> {
        let layout = self.form.layout;
        let mut parts = [(layout.errors, &error[..]), (layout.file, about)];
        parts.sort_unstable();
        self.control(b"699", &[(48, &subelements(&parts))])
    }

    /// One message of our file was not taken; it is given back where it is at hand.
    pub fn reject(
        &mut self,
        (about, message): (&[u8], u32),
        error: &[u8; 14],
        copy: Option<&IpmRecord>,
    ) -> Result<(), ClearingError> {
        let layout = self.form.layout;
        let message = format!("{message:08}");
        let mut parts = [
            (layout.errors, &error[..]),
            (layout.number, message.as_bytes()),
            (layout.file, about),
        ];
        parts.sort_unstable();
        self.control(b"691", &[(48, &subelements(&parts))])?;
        copy.map_or(Ok(()), |copy| self.record(copy.clone()))
    }

    /// So much of our file was taken.
    pub fn totals(&mut self, about: &[u8], line: &Line) -> Result<(), ClearingError> {
        let signed = |amount: i64| {
            let sign = if amount < 0 { 'D' } else { 'C' };
            format!("{sign}{:016}", amount.unsigned_abs())
        };
        let count = |count: i64| format!("{count:010}");
        let texts = [
            (self.form.layout.reconciled, Some(about.escape_ascii().to_string())),
            (372, line.function.clone()),
            (374, line.code.clone()),
            (380, line.debits.map(|debits| signed(debits.saturating_neg())).map(debit_of_nothing)),
            (381, line.credits.map(signed)),
            (384, line.net.map(signed)),
            (400, line.debit_count.map(count)),
            (401, line.credit_count.map(count)),
            (402, line.count.map(count)),
        ];
        let mut parts: Vec<(u16, &[u8])> = texts
            .iter()
            .filter_map(|(tag, text)| Some((*tag, text.as_ref()?.as_bytes())))
            .collect();
        parts.sort_unstable();
        let parts = subelements(&parts);
        self.control(b"685", &[(25, b"6861"), (48, &parts), (49, line.currency.as_bytes())])
    }

    /// A presentment is charged back.
    pub fn charge_back(&mut self, wanted: ChargeBack<'_>) -> Result<(), ClearingError> {
        let amount = format!("{:012}", wanted.amount);
        let values: [(u8, &[u8]); 7] = [
            (2, wanted.card),
            (3, b"000000"),
            (4, amount.as_bytes()),
            (24, wanted.function),
            (25, wanted.reason),
            (31, wanted.reference),
            (49, wanted.currency),
        ];
        self.record(of(*b"1442", &values))
    }

    /// What the cardholder signed is asked for.
    pub fn ask(&mut self, reference: &[u8], reason: &[u8]) -> Result<(), ClearingError> {
        self.control(b"603", &[(25, reason), (31, reference)])
    }

    /// A text for people.
    pub fn text(&mut self, text: &[u8]) -> Result<(), ClearingError> {
        self.control(b"693", &[(72, text)])
    }

    /// A record of any kind, with the next number.
    pub fn record(&mut self, mut record: IpmRecord) -> Result<(), ClearingError> {
        self.number += 1;
        record.elements.set(ElementNo::of(71), format!("{:08}", self.number).as_bytes());
        let amount: Option<u64> = super::number(record.elements.get(ElementNo::AMOUNT));
        self.sum = self.sum.saturating_add(amount.unwrap_or(0));
        let unwritable = |element| ClearingError::Unwritable { number: self.number, element };
        let mut bytes = Vec::new();
        rewrite(&record, self.form.charset, &mut bytes).map_err(|no| unwritable(no.get()))?;
        self.bytes(&bytes)
    }

    /// Bytes in place of a record, whatever they are.
    pub fn bytes(&mut self, bytes: &[u8]) -> Result<(), ClearingError> {
        self.records += 1;
        if self.framer.record(bytes) {
            return Ok(());
        }
        Err(ClearingError::Unwritable { number: self.number, element: 0 })
    }

    /// The logical file ends.
    pub fn end(&mut self) -> Result<(), ClearingError> {
        let (sum, count) = (format!("{:016}", self.sum), format!("{:08}", self.records + 1));
        let file_id = self.file_id.clone();
        let parts = subelements(&[(105, &file_id), (301, sum.as_bytes()), (306, count.as_bytes())]);
        self.control(b"695", &[(48, &parts)])
    }

    /// All of it.
    pub fn finish(mut self) -> Vec<u8> {
        self.framer.end();
        self.framer.take()
    }

    fn control(&mut self, function: &[u8], more: &[(u8, &[u8])]) -> Result<(), ClearingError> {
        let mut record = of(*b"1644", more);
        record.elements.set(ElementNo::of(24), function);
        self.record(record)
    }
}

/// Nothing is a debit of nothing, too.
fn debit_of_nothing(text: String) -> String {
    if text.bytes().all(|byte| matches!(byte, b'C' | b'0')) { text.replace('C', "D") } else { text }
}

fn of(mti: [u8; 4], values: &[(u8, &[u8])]) -> IpmRecord {
    let mut elements = Elements::default();
    for (no, value) in values {
        elements.set(ElementNo::of(*no), value);
    }
    IpmRecord { mti, elements }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::Word::{Asks, ChargesBack, Rejects, RejectsFile, Text, Totals};
    use super::super::{Reader, Said, Step, WITHHELD};
    use super::*;
    use crate::clearing::{Unframer, guess, read};

    const OURS: &[u8] = b"0022611230000000000100001";
    const CARD: &[u8] = b"5413330000004111";
    const REFERENCE: &[u8] = b"29999996327000000000056";

    fn id(sequence: u32) -> Digits<25> {
        Digits::new(&format!("00126112300000012345{sequence:05}")).unwrap()
    }

    /// What comes of all records of a file.
    fn steps(file: &[u8], layout: Layout) -> Vec<Step> {
        let mut steps = Vec::new();
        let mut reader = Reader::new(layout, Some(false));
        let (charset, blocked) = guess(file, true);
        let mut unframer = Unframer::new(blocked);
        unframer.push(file);
        let fault = loop {
            match unframer.record() {
                Ok(Some((_, bytes))) => {
                    let found = read(bytes, charset.unwrap_or_default());
                    reader.record(found.as_ref().map_err(|bad| *bad), &mut |step| steps.push(step));
                }
                Ok(None) => break unframer.end().err(),
                Err(fault) => break Some(fault),
            }
        };
        reader.end(fault.map(|fault| fault.to_string()), &mut |step| steps.push(step));
        steps
    }

    fn copy() -> IpmRecord {
        of(
            *b"1240",
            &[(2, CARD), (4, b"000000001000"), (24, b"200"), (31, REFERENCE), (49, b"978")],
        )
    }

    fn line() -> Line {
        Line {
            function: Some("1240200".to_owned()),
            code: Some("000000".to_owned()),
            currency: "978".to_owned(),
            debits: Some(0),
            credits: Some(5_000),
            net: Some(5_000),
            debit_count: Some(0),
            credit_count: Some(5),
            count: Some(5),
        }
    }

    fn whole(form: Form) -> Result<Vec<u8>, ClearingError> {
        let mut answers = Answers::new(form);
        answers.begin(&id(1))?;
        answers.reject((OURS, 3), b"D0004000519000", Some(&copy()))?;
        answers.reject((OURS, 4), b"D0004000519000", None)?;
        answers.totals(OURS, &line())?;
        answers.charge_back(ChargeBack {
            function: b"453",
            card: CARD,
            reference: REFERENCE,
            amount: 700,
            currency: b"978",
            reason: b"4807",
        })?;
        answers.ask(REFERENCE, b"6341")?;
        answers.text(b"call us about 5413 3300 0000 4111")?;
        answers.end()?;
        answers.begin(&id(2))?;
        answers.reject_file(OURS, b"P0301000519000")?;
        answers.end()?;
        Ok(answers.finish())
    }

    fn saids(steps: &[Step]) -> Vec<&Said> {
        steps
            .iter()
            .filter_map(|step| if let Step::Said(said) = step { Some(&**said) } else { None })
            .collect()
    }

    #[test]
    fn what_is_written_is_read() {
        let other =
            Layout { errors: 6, number: 139, file: 281, reconciled: 301, ..Layout::default() };
        for charset in [Charset::Latin1, Charset::Cp500] {
            for (blocked, layout) in [(false, Layout::default()), (true, other)] {
                let form = Form { charset, blocked, layout, production: false };
                let steps = steps(&whole(form).unwrap(), layout);
                assert_eq!(
                    steps
                        .iter()
                        .filter(|step| matches!(
                            step,
                            Step::Refused(_) | Step::Unfit { .. } | Step::Unreadable(_)
                        ))
                        .count(),
                    0,
                    "{steps:?}"
                );
                assert_eq!(
                    steps.iter().filter(|step| matches!(step, Step::Ends { .. })).count(),
                    2
                );
                let said = saids(&steps);
                let words: Vec<_> = said.iter().map(|said| said.word).collect();
                assert_eq!(words, [Rejects, Rejects, Totals, ChargesBack, Asks, Text, RejectsFile]);
                for rejection in [said[0], said[1], said[6]] {
                    assert_eq!(rejection.about_file.as_deref(), Some("0022611230000000000100001"));
                    assert_eq!(rejection.reason.as_deref(), Some("0519"));
                }
                assert_eq!((said[0].about_number, said[1].about_number), (Some(3), Some(4)));
                assert_eq!(said[0].reference.as_deref().map(str::as_bytes), Some(REFERENCE));
                assert_eq!((said[0].amount, said[1].reference.as_ref()), (Some(1_000), None));
                assert_eq!(said[0].detail.as_deref(), Some("D0004: error 0519"));
                assert_eq!(said[2].line, Some(line()));
                let charged =
                    (said[3].amount, said[3].currency.as_deref(), said[3].reason.as_deref());
                assert_eq!(charged, (Some(700), Some("978"), Some("4807")));
                assert_eq!(said[5].detail.as_deref(), Some(WITHHELD));
                assert!(!format!("{steps:?}").contains("5413330000004111"));
            }
        }
    }

    type Change<'a> = &'a dyn Fn(&mut Answers);

    #[test]
    fn what_is_not_whole_is_refused_and_says_why() {
        let file = |change: Change<'_>| {
            let mut answers = Answers::new(Form::default());
            answers.begin(&id(1)).unwrap();
            answers.text(b"hello").unwrap();
            change(&mut answers);
            answers.end().unwrap();
            steps(&answers.finish(), Layout::default())
        };
        let cases: [(Change<'_>, _); 5] = [
            (&|answers| answers.sum = 7, "is 7; the amounts add up to 0"),
            (&|answers| answers.records += 1, "message count, subelement 0306, is 4; there are 3"),
            (&|answers| answers.file_id = id(2).as_bytes().to_vec(), "not that of its header"),
            (&|answers| answers.number = 1, "does not ascend"),
            (&|answers| answers.begin(&id(3)).unwrap(), "before the next header"),
        ];
        for (change, told) in cases {
            let came = file(change);
            let refused =
                came.iter().any(|step| matches!(step, Step::Refused(why) if why.contains(told)));
            assert!(refused, "{told}: {came:?}");
        }
        // A record that is none stops none of the others; its amount is not known.
        let came = file(&|answers| {
            answers.bytes(b"1442 not a record").unwrap();
            answers.sum = 100;
        });
        assert!(
            matches!(
                *came,
                [Step::Begins(_), Step::Said(_), Step::Unreadable(_), Step::Ends { records: 4 }]
            ),
            "{came:?}"
        );
        // A presentment that nobody rejected; a test among files that are meant.
        let came = file(&|answers| answers.record(copy()).unwrap());
        assert!(came.iter().any(|step| matches!(step, Step::Unfit { number: 3, .. })));
        let mut answers = Answers::new(Form { production: true, ..Form::default() });
        answers.begin(&id(1)).unwrap();
        answers.end().unwrap();
        let meant = steps(&answers.finish(), Layout::default());
        assert!(
            matches!(&*meant, [Step::Refused(why)] if why.contains("production (P)")),
            "{meant:?}"
        );
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_do_not_panic(mut bytes in proptest::collection::vec(any::<u8>(), 0..400), at in any::<proptest::sample::Index>(), byte in any::<u8>()) {
            steps(&bytes, Layout::default());
            // A good file with one byte of it changed, and with its end cut off.
            let mut file = whole(Form::default()).unwrap();
            let at = at.index(file.len());
            file[at] = byte;
            let changed = steps(&file, Layout::default());
            let ends = changed.iter().filter(|step| matches!(step, Step::Ends { .. })).count();
            let refused = changed.iter().filter(|step| matches!(step, Step::Refused(_))).count();
            prop_assert!(ends <= 2 && (ends == 2 || refused > 0));
            file.truncate(at);
            prop_assert!(steps(&file, Layout::default()).iter().any(|step| matches!(step, Step::Refused(_))));
            // Any record of a type that is looked into, with anything in its elements.
            bytes.truncate(99);
            let mut answers = Answers::new(Form::default());
            answers.begin(&id(1)).unwrap();
            for (mti, function) in [(b"1644", b"685"), (b"1644", b"691"), (b"1644", b"699"), (b"1442", b"450"), (b"1740", b"700")] {
                bytes.push(b'1');
                let record = of(*mti, &[(24, function), (25, b"abcd"), (48, &bytes), (72, &bytes)]);
                answers.record(record).unwrap();
            }
            answers.end().unwrap();
            let odd = steps(&answers.finish(), Layout::default());
            let ends = matches!(odd.last(), Some(Step::Ends { .. }));
            prop_assert!(ends, "{:?}", odd);
        }
    }
}
