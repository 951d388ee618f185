//! Other crates, each with the layout of the sample's dialect as it wants to be told.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::hint::black_box;
use std::sync::Once;

use iso_8583_rs::specfile::{self, FieldDescription};
use iso_8583_rs::{Builder, CompiledSpec, Message};
use iso8583_core::ISO8583Message;
use iso8583_rs::iso8583::iso_spec::{self, Spec};
use iso8583d::dialect::{Content, Dialect, Length, Prefix};
use iso8583d::iso::ElementNo;

use crate::messages::Sample;
use crate::{Repeated, repeat};

/// One crate's way, where it has one.
type Way<'a> = Option<Repeated<'a>>;

/// How each of them reads the sample: iso_8583_rs, iso8583_rs, iso8583-core.
pub fn reading(sample: &Sample) -> [Way<'_>; 3] {
    let compiled = compiled(sample).map(|spec| {
        repeat(move || assert!(black_box(&Message::parse(&spec, black_box(&sample.body))).is_ok()))
    });
    let spec = spec(sample).map(|spec| {
        // It wants a vector of its own, and leaves it as it is.
        let mut body = sample.body.to_vec();
        repeat(move || assert!(black_box(&spec.parse(black_box(&mut body))).is_ok()))
    });
    let core = core(sample).map(|_| {
        repeat(move || {
            assert!(black_box(&ISO8583Message::from_bytes(black_box(&sample.body))).is_ok())
        })
    });
    [compiled, spec, core]
}

/// How each of them writes the sample, from values that it has at hand.
pub fn writing(sample: &Sample) -> [Way<'_>; 3] {
    let compiled = compiled(sample).map(|spec| {
        let values: Vec<_> =
            message_of(&spec, sample).fields().map(|(no, value)| (no, value.to_vec())).collect();
        let mut out = Vec::with_capacity(4096);
        repeat(move || {
            let mut builder = Builder::new(&spec, b"0200").unwrap();
            for (no, value) in &values {
                builder.set(*no, value).unwrap();
            }
            out.clear();
            builder.pack_into(&mut out);
            black_box(&out);
        })
    });
    let spec = spec(sample).map(|spec| {
        let message = spec.parse(&mut sample.body.to_vec()).ok().unwrap();
        assert_eq!(message.assemble().ok().unwrap(), sample.body);
        repeat(move || black_box(&message).assemble().ok().unwrap())
    });
    let core = core(sample).map(|message| {
        assert_eq!(message.to_bytes(), sample.body);
        repeat(move || black_box(&message).to_bytes())
    });
    [compiled, spec, core]
}

/// iso_8583_rs reads characters behind bitmaps in hexadecimal digits.
fn compiled(sample: &Sample) -> Option<CompiledSpec> {
    if sample.dialect.name() != "iso87-ascii" {
        return None;
    }
    let fields = sample
        .dialect
        .defined()
        .iter()
        .map(|no| (i64::from(no.get()), described(&sample.dialect, no)));
    let spec = CompiledSpec::compile(&specfile::Spec { fields: fields.collect::<HashMap<_, _>>() })
        .unwrap();
    assert_eq!(message_of(&spec, sample).fields().count() as u32, sample.own.present().len());
    Some(spec)
}

fn message_of<'a>(spec: &CompiledSpec, sample: &'a Sample) -> Message<'a> {
    Message::parse(spec, &sample.body).unwrap()
}

fn described(dialect: &Dialect, no: ElementNo) -> FieldDescription {
    let (row, layout) = (dialect.row(no).unwrap(), dialect.layout(no).unwrap());
    let content_type = match row.content {
        Content::Digits => "n",
        Content::Letters => "a",
        Content::Alphanumeric => "an",
        Content::Text => "ans",
        _ => "b",
    };
    let len_type = match layout.prefix.width() {
        2 => "llvar",
        3 => "lllvar",
        _ => "fixed",
    };
    FieldDescription {
        content_type: content_type.to_owned(),
        max_len: usize::from(layout.wire),
        min_len: 0,
        len_type: len_type.to_owned(),
        label: String::new(),
    }
}

/// iso8583_rs reads bytes behind binary bitmaps; lengths count bytes. Its one specification is named by the environment.
fn spec(sample: &Sample) -> Option<&'static Spec> {
    if sample.dialect.name() != "iso87-ascii-binary-bitmap" {
        return None;
    }
    static WRITTEN: Once = Once::new();
    WRITTEN.call_once(|| {
        let path = std::env::temp_dir().join(format!("iso8583d-peers-{}.yaml", std::process::id()));
        std::fs::write(&path, yaml(&sample.dialect)).unwrap();
        std::env::set_var("SPEC_FILE", &path);
        iso_spec::spec("");
        std::fs::remove_file(&path).unwrap();
    });
    let spec = iso_spec::spec("");
    let read = spec.parse(&mut sample.body.to_vec()).ok().unwrap();
    assert_eq!(read.bmp_child_value(42).ok().unwrap(), "MERCHANT0000001");
    Some(spec)
}

fn yaml(dialect: &Dialect) -> String {
    let mut text = "name: sample
id: 1
header_fields:
  - {name: header, id: 1, type: Fixed, len: 4, data_encoding: ASCII, children: []}
messages:
  - name: all
    selector: [\"0200\"]
    id: 1
    fields:
      - {name: message_type, id: 1, type: Fixed, len: 4, data_encoding: ASCII}
      - name: bitmap
        id: 2
        type: Bitmapped
        len: 0
        data_encoding: BINARY
        children:
"
    .to_owned();
    for no in dialect.defined().iter() {
        let (row, layout) = (dialect.row(no).unwrap(), dialect.layout(no).unwrap());
        let coding = if row.content == Content::Bytes { "BINARY" } else { "ASCII" };
        let (kind, len) = match (row.length, layout.prefix) {
            (Length::Fixed, _) => ("Fixed", layout.wire),
            (_, Prefix::Ascii(width)) => ("Variable, len_encoding: ASCII", u16::from(width)),
            (_, other) => panic!("no sample has {other:?}"),
        };
        writeln!(
            text,
            "          - {{name: e{no}, id: {no}, type: {kind}, len: {len}, data_encoding: {coding}, position: {no}}}"
        )
        .unwrap();
    }
    text
}

/// iso8583-core has one layout of its own: characters behind binary bitmaps, not all elements, and some of other lengths.
fn core(sample: &Sample) -> Option<ISO8583Message> {
    if sample.dialect.name() != "iso87-ascii-binary-bitmap" {
        return None;
    }
    let message = ISO8583Message::from_bytes(&sample.body).ok()?;
    (message.to_bytes() == sample.body).then_some(message)
}
