//! Lists: ordered by SKU, byte by byte, page by page.

use futures::future::join_all;

use crate::system::System;
use crate::transcript::Transcript;

pub(super) async fn paging(system: &System) -> Transcript {
    let (api, mut answers) = (&system.api, Transcript::new());
    let odd = ["page-b", "Page-b", "page_a", "page.a", "PAGE", "page-B", "page"];
    let many: Vec<_> = (0..60).map(|number| format!("page-{number}")).collect();
    let skus = odd.into_iter().chain(many.iter().map(String::as_str));
    let receipts = join_all(skus.clone().map(|sku| api.increase(sku, 10).send())).await;
    let head = receipts
        .into_iter()
        .map(|answer| answer.done().position())
        .max()
        .expect("some");

    let path = "/warehouse/products";
    let all = api.list(path, head).await;
    let names: Vec<_> = all.iter().map(|row| row["sku"].as_str().expect("text")).collect();
    assert!(names.is_sorted(), "byte by byte: {names:?}");
    assert!(skus.clone().all(|sku| names.contains(&sku)));

    let page = answers.note("by default", api.get(path).at(head).send().await.with_status(200));
    assert_eq!(page.rows(), &all[..50]);
    let mut walked = Vec::new();
    let mut next = Some(format!("{path}?limit=7"));
    while let Some(here) = next {
        let page = answers.note("a page", api.get(&here).at(head).send().await.with_status(200));
        let last = page.next().is_none();
        assert!(if last {
            page.rows().len() <= 7
        } else {
            page.rows().len() == 7
        });
        walked.extend_from_slice(page.rows());
        next = page.next();
    }
    assert_eq!(walked, all, "each once, in order");
    let exact = api.get(&format!("{path}?limit={}", all.len())).at(head).send().await;
    assert_eq!(answers.note("just all", exact.with_status(200)).next(), None);

    for (query, pointer) in [
        ("limit=0", "/limit"),
        ("limit=501", "/limit"),
        ("limit=-1", "/limit"),
        ("limit=x", "/limit"),
        ("limit=", "/limit"),
        ("limit=1&limit=1", "/limit"),
        ("cursor=x", "/cursor"),
        ("cursor=", "/cursor"),
        ("cursor=bnVsbA", "/cursor"),
        ("offset=3", "/offset"),
        ("sku=page", "/sku"),
    ] {
        let answer = api.get(&format!("{path}?{query}")).send().await;
        answers.note(query, answer.problem(400, "invalid-query").at(pointer));
    }
    let answer = api.get(&format!("{path}/page?limit=1")).send().await;
    answers.note("of one row", answer.problem(400, "invalid-query").at("/limit"));
    answers
}
