//! `sluicegate dialects`: which API can be answered by which, from the code that does it.

use llm::translate::Way;
use llm::{Api, Dialect, Quirks};

const WIDTHS: [usize; 2] = [44, 14];

pub(crate) fn dialects() {
    let [of_path, of_way] = WIDTHS;
    print!("{:of_path$}", "clients ask at");
    for dialect in Dialect::ALL {
        print!("{:of_way$}", dialect.name());
    }
    println!("\n");
    for api in Api::ALL.into_iter().filter(|api| api.has_body()) {
        print!("{:of_path$}", api.pattern());
        for dialect in Dialect::ALL {
            print!("{:of_way$}", word(Way::of(api, dialect, &Quirks::NONE)));
        }
        println!();
    }
    println!(
        "\nThe columns are the dialects of providers and pools. What is answered is answered by\n\
         the gateway itself, as lists of models are: tokens are counted by the model's vocabulary where\n\
         it is public, else estimated."
    );
}

const fn word(way: Option<Way>) -> &'static str {
    match way {
        Some(Way::PassedOn) => "passed on",
        Some(Way::Translated(_)) => "translated",
        Some(Way::Answered) => "answered",
        None => "-",
    }
}
