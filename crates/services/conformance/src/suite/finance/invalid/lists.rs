//! Lists that are empty, too long, or name something twice, and parts of them that are none.

use serde_json::{Value, json};

use super::{Asking, Form, Forms};

const SOURCE: &str = "a source is either an asset or a company";

pub(super) async fn lists(asking: &mut Asking<'_>, forms: &Forms) {
    for form in [&forms.deal, &forms.update] {
        lengths(asking, form, "companies", |id| json!(id)).await;
    }
    lengths(asking, &forms.grant, "sources", |id| json!({ "asset": id })).await;
    let destination = forms.grant.body["destinations"][0].clone();
    let to = |id: String| {
        let mut to = destination.clone();
        to["account"] = json!(id);
        to
    };
    lengths(asking, &forms.grant, "destinations", to).await;
    let party = |id: String| json!({ "company": id, "role": "seller" });
    lengths(asking, &forms.product, "companies", party).await;
    parts(asking, forms).await;
    // Whoever is named twice has two roles, and that is no way to have them.
    let id = asking.finance.id();
    let twice = json!([{ "company": id, "role": "seller" }, { "company": id, "role": "buyer" }]);
    asking
        .refuses(&forms.product, "/companies", &twice.to_string(), "is named twice")
        .await;
}

/// Lists of this field that have too few or too many parts, or one of them twice, or that are none.
async fn lengths(asking: &mut Asking<'_>, form: &Form, field: &str, part: impl Fn(String) -> Value) {
    let pointer = format!("/{field}");
    let length = format!("1 to 100 {field}");
    let many: Vec<_> = (0..101).map(|_| part(asking.finance.id())).collect();
    let one = part(asking.finance.id());
    for (list, rule) in [
        (json!([]), &*length),
        (json!(many), &length),
        (json!([one, one]), "is named twice"),
        (json!("x"), "a sequence"),
        (json!({}), "a sequence"),
        (Value::Null, "a sequence"),
    ] {
        asking.refuses(form, &pointer, &list.to_string(), rule).await;
    }
}

async fn parts(asking: &mut Asking<'_>, forms: &Forms) {
    let Forms { grant, product, .. } = forms;
    let id = json!(asking.finance.id());
    for (source, at, rule) in [
        (id.clone(), "", SOURCE),
        (Value::Null, "", SOURCE),
        (json!({}), "", SOURCE),
        (json!([id]), "", SOURCE),
        (json!({ "asset": id, "company": id }), "", SOURCE),
        (json!({ "asset": id, "company": null }), "/company", "an id is a UUID"),
        (json!({ "deal": id }), "/deal", "unknown field"),
        (json!({ "asset": id, "note": "x" }), "/note", "unknown field"),
    ] {
        let (pointer, source) = ("/sources/0", source.to_string());
        asking
            .refuses_at(grant, pointer, &source, &format!("{pointer}{at}"), rule)
            .await;
    }
    for (form, pointer, rule, fields) in [
        (
            grant,
            "/destinations/0",
            "a destination is",
            &["company", "account", "amount"][..],
        ),
        (product, "/companies/0", "a company with its role", &["company", "role"]),
    ] {
        for wrong in [&id, &Value::Null] {
            asking.refuses(form, pointer, &wrong.to_string(), rule).await;
        }
        let whole = form.body.pointer(pointer).expect("a part");
        // serde would take a struct's fields in their order as well.
        let row: Vec<&Value> = fields.iter().map(|field| &whole[*field]).collect();
        asking.refuses(form, pointer, &json!(row).to_string(), rule).await;
        for field in fields {
            let mut less = whole.clone();
            less.as_object_mut().expect("an object").remove(*field);
            let at = format!("{pointer}/{field}");
            asking
                .refuses_at(form, pointer, &less.to_string(), &at, "missing")
                .await;
        }
        let mut more = whole.clone();
        more["note"] = json!("x");
        let at = format!("{pointer}/note");
        asking
            .refuses_at(form, pointer, &more.to_string(), &at, "unknown field")
            .await;
    }
}
