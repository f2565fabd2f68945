//! `sluicegate schema`: the configuration's JSON Schema, CRDs and field reference.

use crate::args::Schema;

pub(crate) fn schema(args: &Schema) -> anyhow::Result<()> {
    if args.reference {
        print!("{}", mesh::schema::reference());
    } else if args.crd {
        for crd in mesh::schema::crds() {
            // JSON is YAML; `kubectl apply -f -` takes the stream of documents as it is.
            println!("---\n{}", serde_json::to_string_pretty(&crd)?);
        }
    } else {
        println!(
            "{}",
            serde_json::to_string_pretty(&mesh::schema::json_schema())?
        );
    }
    Ok(())
}
