//! The API's reference in a browser.

use std::collections::BTreeSet;

use testing::rendered;

use crate::demo;

#[tokio::test]
async fn a_browser_without_internet_shows_every_path() {
    let server = demo().await;
    let (status, document) = server.get("/openapi.json").await;
    assert_eq!(status, 200);
    let described: BTreeSet<_> =
        document["paths"].as_object().expect("paths").keys().map(String::as_str).collect();
    let page = rendered(&format!("{}/docs", server.url())).await;
    let shown = page.split("data-path=\"").skip(1).filter_map(|rest| rest.split('"').next());
    assert_eq!(shown.collect::<BTreeSet<_>>(), described);
    assert!(page.contains("Submits a task."), "an operation is told in words");
}
