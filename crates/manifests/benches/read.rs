//! How long it takes to read 10,000 routes, which is part of every reload.

use manifests::{File, read};

fn main() {
    divan::main();
}

fn routes(count: usize) -> String {
    let mut text =
        "pools: [{name: p, endpoints: [{address: '10.0.0.7:8000'}]}]\nroutes:\n".to_owned();
    for index in 0..count {
        text += &format!(
            "  - name: route-{index}
    hostnames: [host-{}.example.com]
    rules:
      - matches:
          - path: {{type: PathPrefix, value: /tenant/{index}}}
            model: {{value: model-{index}}}
        backendRefs:
          - pool: p
            weight: 1
",
            index % 100
        );
    }
    text
}

#[divan::bench(args = [100, 10_000])]
fn read_routes(bencher: divan::Bencher<'_, '_>, count: usize) {
    let files = [File::new("routes.yaml", routes(count))];
    bencher.bench(|| read(&files));
}
