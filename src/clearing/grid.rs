//! Tables for people and programs, row by row: CSV (RFC 4180), JSON, or one page of HTML; knows no rows before they come.

use super::letters::decimal;
use super::pain::escaped;
use super::text::{csv_cell, visible};
use crate::iso::Currency;

/// How a table is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// A head line, and a line a row.
    Csv,
    /// An object with the rows in a list.
    Json,
    /// One page, without scripts and without anything from elsewhere.
    Html,
}

/// A value of a row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cell {
    /// Nothing.
    Nothing,
    /// A text.
    Text(String),
    /// A number.
    Number(i64),
    /// Minor units; on a page with the decimals of their currency.
    Minor(i128, Currency),
}

/// A column.
pub type Column = &'static str;

/// A table while it is written.
#[derive(Clone, Debug)]
pub struct Grid {
    form: Form,
    columns: &'static [Column],
    rows: u64,
}

impl Form {
    /// All of them, with their names, which end names of files too.
    pub const ALL: [(&str, Self); 3] =
        [("csv", Self::Csv), ("json", Self::Json), ("html", Self::Html)];

    /// Its name.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Csv => "csv",
            Self::Json => "json",
            Self::Html => "html",
        }
    }
}

impl From<Option<String>> for Cell {
    fn from(text: Option<String>) -> Self {
        text.map_or(Self::Nothing, Self::Text)
    }
}

impl From<&str> for Cell {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<i64> for Cell {
    fn from(number: i64) -> Self {
        Self::Number(number)
    }
}

impl From<Option<i64>> for Cell {
    fn from(number: Option<i64>) -> Self {
        number.map_or(Self::Nothing, Self::Number)
    }
}

const STYLE: &str = "body{font-family:sans-serif;margin:2em}table{border-collapse:collapse}\
th,td{border:1px solid #bbb;padding:.2em .5em;text-align:left}td.n{text-align:right;font-variant-numeric:tabular-nums}\
th{background:#eee;position:sticky;top:0}";

impl Grid {
    /// Nothing is written.
    pub const fn new(form: Form, columns: &'static [Column]) -> Self {
        Self { form, columns, rows: 0 }
    }

    /// How many rows there are.
    pub const fn rows(&self) -> u64 {
        self.rows
    }

    /// The beginning: what it is, and facts about all of it.
    pub fn head(&self, title: &str, facts: &[(&str, String)]) -> String {
        match self.form {
            Form::Csv => format!("{}\r\n", self.columns.join(",")),
            Form::Json => {
                let mut text = format!("{{\"report\":{}", json(title));
                for (name, value) in facts {
                    text.extend([",", &json(name), ":", &json(value)]);
                }
                text.push_str(",\"rows\":[");
                text
            }
            Form::Html => {
                let title = escaped(title);
                let mut text = format!(
                    "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>{title}</title>\
                     <style>{STYLE}</style></head>\n<body><h1>{title}</h1>\n<p>"
                );
                let facts: Vec<String> = facts
                    .iter()
                    .map(|(name, value)| escaped(&format!("{name}: {value}")))
                    .collect();
                text.push_str(&facts.join("<br>"));
                text.push_str("</p>\n<table><thead><tr>");
                for column in self.columns {
                    text.extend(["<th>", &escaped(&column.replace('_', " ")), "</th>"]);
                }
                text.push_str("</tr></thead><tbody>\n");
                text
            }
        }
    }

    /// A row: a value for each column.
    pub fn row(&mut self, cells: &[Cell]) -> String {
        let first = self.rows == 0;
        self.rows += 1;
        match self.form {
            Form::Csv => {
                let values: Vec<String> = cells.iter().map(Cell::csv).collect();
                format!("{}\r\n", values.join(","))
            }
            Form::Json => {
                let pair =
                    |(name, cell): (&Column, &Cell)| format!("{}:{}", json(name), cell.json());
                let pairs: Vec<String> = self.columns.iter().zip(cells).map(pair).collect();
                format!("{}\n{{{}}}", if first { "" } else { "," }, pairs.join(","))
            }
            Form::Html => {
                let cells: String = cells.iter().map(Cell::html).collect();
                format!("<tr>{cells}</tr>\n")
            }
        }
    }

    /// The end.
    pub const fn tail(&self) -> &'static str {
        match self.form {
            Form::Csv => "",
            Form::Json => "\n]}\n",
            Form::Html => "</tbody></table></body></html>\n",
        }
    }
}

impl Cell {
    fn csv(&self) -> String {
        match self {
            Self::Nothing => String::new(),
            Self::Number(number) => number.to_string(),
            Self::Minor(minor, _) => minor.to_string(),
            Self::Text(text) => csv_cell(text).into_owned(),
        }
    }

    fn json(&self) -> String {
        match self {
            Self::Nothing => "null".to_owned(),
            Self::Text(text) => json(text),
            Self::Number(number) => number.to_string(),
            Self::Minor(minor, _) => minor.to_string(),
        }
    }

    fn html(&self) -> String {
        match self {
            Self::Nothing => "<td></td>".to_owned(),
            Self::Text(text) => format!("<td>{}</td>", escaped(&visible(text))),
            Self::Number(number) => format!("<td class=\"n\">{number}</td>"),
            Self::Minor(minor, currency) => {
                format!("<td class=\"n\">{}</td>", decimal(*minor, *currency))
            }
        }
    }
}

/// A text in quotes.
fn json(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(form: Form) -> String {
        let mut sheet = Grid::new(form, &["merchant", "count", "net"]);
        let mut text = sheet.head("Day <1>", &[("date", "2026-11-23".to_owned())]);
        let yen = Currency::new(392).unwrap();
        let dinar = Currency::new(414).unwrap();
        text += &sheet.row(&["A,\"B\" <script>".into(), 2.into(), Cell::Minor(-1_500, dinar)]);
        text += &sheet.row(&[None::<String>.into(), None::<i64>.into(), Cell::Minor(7, yen)]);
        assert_eq!(sheet.rows(), 2);
        text + sheet.tail()
    }

    #[test]
    fn one_table_in_three_forms() {
        assert_eq!(
            written(Form::Csv),
            "merchant,count,net\r\n\"A,\"\"B\"\" <script>\",2,-1500\r\n,,7\r\n"
        );
        let json: serde_json::Value = serde_json::from_str(&written(Form::Json)).unwrap();
        assert_eq!((&json["report"], &json["date"]), (&"Day <1>".into(), &"2026-11-23".into()));
        assert_eq!(json["rows"][0]["merchant"], "A,\"B\" <script>");
        assert_eq!(
            (&json["rows"][0]["net"], &json["rows"][1]["count"]),
            (&(-1_500).into(), &serde_json::Value::Null)
        );
        let page = written(Form::Html);
        assert!(!page.contains("<script"), "{page}");
        assert!(page.contains("<h1>Day &lt;1&gt;</h1>") && page.contains(">-1.500</td>"), "{page}");
    }
}
