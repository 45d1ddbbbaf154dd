use super::{Assignee, Description, InvalidTicketId, Resolution, TicketId, Title};

#[test]
fn an_id_is_a_uuid_with_its_hyphens() {
    let lower = "0192d9a4-7b8e-7c3f-8d2a-5f6e7a8b9c0d";
    for valid in [lower, &lower.to_uppercase()] {
        assert_eq!(valid.parse::<TicketId>().expect(valid).to_string(), lower);
    }
    for invalid in [
        "",
        "x",
        "00000000-0000-0000-0000-000000000000",
        "0192d9a47b8e7c3f8d2a5f6e7a8b9c0d",
        "{0192d9a4-7b8e-7c3f-8d2a-5f6e7a8b9c0d}",
        "urn:uuid:0192d9a4-7b8e-7c3f-8d2a-5f6e7a8b9c0d",
        " 192d9a4-7b8e-7c3f-8d2a-5f6e7a8b9c0d",
        "0192d9a4-7b8e-7c3f-8d2a-5f6e7a8b9c0g",
    ] {
        assert_eq!(invalid.parse::<TicketId>(), Err(InvalidTicketId), "{invalid:?}");
    }
}

#[test]
fn a_title_is_1_to_200_characters_in_one_line() {
    for valid in ["x", " x ", "Kein Licht – im Flur 💡", &"ä".repeat(200)] {
        assert_eq!(valid.parse::<Title>().expect(valid).as_str(), valid);
    }
    for invalid in [
        "",
        " ",
        "\u{a0}\u{2003}",
        "a\nb",
        "a\tb",
        "a\0",
        "\u{7f}",
        &"ä".repeat(201),
    ] {
        let error = invalid.parse::<Title>().expect_err(invalid).to_string();
        assert!(error.contains("1 to 200 characters"), "{error}");
    }
}

#[test]
fn a_description_is_up_to_10000_characters_in_lines() {
    for valid in ["", "a\r\n\tb", &"💡".repeat(10_000)] {
        assert_eq!(valid.parse::<Description>().expect("a description").as_str(), valid);
    }
    for invalid in ["\u{1b}[31m", "a\0", &"x".repeat(10_001)] {
        let error = invalid.parse::<Description>().expect_err("none").to_string();
        assert!(error.contains("at most 10000 characters"), "{error}");
    }
}

#[test]
fn a_resolution_is_1_to_1000_characters_in_lines() {
    for valid in ["x", "a\nb", &"ä".repeat(1_000)] {
        assert_eq!(valid.parse::<Resolution>().expect("a resolution").as_str(), valid);
    }
    for invalid in ["", "\n", "\u{8}", &"ä".repeat(1_001)] {
        let error = invalid.parse::<Resolution>().expect_err("none").to_string();
        assert!(error.contains("1 to 1000 characters"), "{error}");
    }
}

#[test]
fn an_assignee_is_1_to_255_visible_characters() {
    for valid in ["a", "ann@example.com", &"a".repeat(255)] {
        assert_eq!(valid.parse::<Assignee>().expect(valid).as_str(), valid);
    }
    for invalid in ["", "a b", "ä", "a\n", &"a".repeat(256)] {
        let error = invalid.parse::<Assignee>().expect_err("none").to_string();
        assert!(error.contains("1 to 255 visible characters"), "{error}");
    }
}
