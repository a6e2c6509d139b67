//! A rail that an operator has drained is not chosen until he says otherwise, however often the server ends
//! in between, and wherever.

use std::fs::{self, File, OpenOptions};
use std::io::Write as _;
use std::process::Command;
use std::time::Duration;

use rialto_tests::client::{Key, now_millis, signed};
use rialto_tests::server::{Server, two_tenants};
use serde_json::{Value, json};

/// A rail that nobody answers for, of the last tenant. The first one is the best.
fn rail(name: &str, priority: u8) -> String {
    format!(
        "[[tenants.rails]]\nname = \"{name}\"\nurl = \"http://127.0.0.1:1/{name}\"\nkey = \"key-to-{name}\"\n\
         secret = \"secret-to-{name}\"\npriority = {priority}\nassets = [{{ asset = \"USD\" }}]\n\
         breaker = {{ least = 1000 }}\n"
    )
}

/// The second tenant has the rails.
fn configuration(rails: &[(&str, u8)]) -> String {
    let people = ["treasurer", "viewer"].map(|role| {
        format!(
            "[[tenants.operators]]\nname = \"{role}\"\napi_key = \"globex-{role}\"\n\
             secret = \"secret-of-{role}-globex\"\nrole = \"{role}\"\n"
        )
    });
    let other = "[[tenants]]\nname = \"third\"\n[[tenants.assets]]\nname = \"USD\"\nscale = 2\n\
         [[tenants.operators]]\nname = \"treasurer\"\napi_key = \"third-treasurer\"\n\
         secret = \"secret-of-treasurer-third\"\nrole = \"treasurer\"\n";
    let rails: String = rails.iter().map(|(name, priority)| rail(name, *priority)).collect();
    two_tenants() + &people.concat() + &rails + other + &rail("own", 0)
}

fn both() -> String {
    configuration(&[("bank", 0), ("post", 1)])
}

fn set(server: &Server, tenant: &str, rail: &str, state: &str) -> (u16, Value) {
    let wish = format!("name={rail}&state={state}");
    signed("POST", &server.url(), "/operator/v1/rails/state", &Key::of(tenant, "treasurer"), &wish)
}

/// What the router gives a rail of the second tenant.
fn taking(server: &Server, rail: &str) -> String {
    let (status, rails) = signed("GET", &server.url(), "/operator/v1/rails", &Key::of("globex", "viewer"), "");
    assert_eq!(status, 200, "{rails}");
    let row = rails.as_array().expect("rows").iter().find(|row| row["name"] == rail);
    row.unwrap_or_else(|| panic!("{rails}"))["taking"].as_str().unwrap_or_default().to_owned()
}

/// The rail that a deposit takes which names none.
fn chosen(server: &Server, id: &str) -> String {
    let deposit = format!("id={id}&user=alice&asset=USD&amount=1");
    let key = Key::of("globex", "treasurer");
    let (status, body) = signed("POST", &server.url(), "/payments/v1/deposits", &key, &deposit);
    assert_eq!(status, 200, "{body}");
    body["transaction"]["rail"].as_str().unwrap_or_else(|| panic!("{body}")).to_owned()
}

fn file(server: &Server) -> String {
    fs::read_to_string(server.data().join("draining.jsonl")).expect("the file is there")
}

fn again(server: &mut Server) {
    server.kill();
    server.restart();
}

#[test]
fn what_is_drained_stays_drained_until_an_operator_says_otherwise() {
    let mut server = Server::start(&both());
    assert_eq!(chosen(&server, "d-1"), "bank");
    assert_eq!(set(&server, "globex", "bank", "draining"), (200, json!({"repeated": false})));
    assert_eq!(chosen(&server, "d-2"), "post");
    again(&mut server);
    assert_eq!((taking(&server, "bank").as_str(), chosen(&server, "d-3").as_str()), ("drained", "post"));
    let before = file(&server);
    assert_eq!(set(&server, "globex", "bank", "draining"), (200, json!({"repeated": true})), "it is so already");
    assert_eq!(file(&server), before, "and only what changes something is written");

    // Half of what would have ended it was never told to anybody.
    server.kill();
    let mut torn = OpenOptions::new().append(true).open(server.data().join("draining.jsonl")).expect("the file");
    torn.write_all(br#"{"tenant":"globex","rail":"bank","draining":false,"sum":"0"#).expect("written");
    drop(torn);
    server.restart();
    assert_eq!((taking(&server, "bank").as_str(), file(&server)), ("drained", before));

    assert_eq!(set(&server, "globex", "bank", "taking"), (200, json!({"repeated": false})));
    assert_eq!(chosen(&server, "d-4"), "bank");
    for number in 5..7 {
        again(&mut server);
        assert_eq!(
            (taking(&server, "bank").as_str(), chosen(&server, &format!("d-{number}")).as_str()),
            ("all", "bank")
        );
    }

    // Every wish stands in the trail, with what became of it.
    let (_, trail) =
        signed("GET", &server.url(), "/operator/v1/audit", &Key::of("globex", "viewer"), "from=1&limit=100");
    let lines = trail["lines"].as_array().unwrap_or_else(|| panic!("{trail}"));
    let wished: Vec<_> = lines.iter().filter(|line| line["asked"].is_object()).collect();
    let states: Vec<_> = wished.iter().map(|line| line["asked"]["state"].as_str().unwrap_or_default()).collect();
    assert_eq!(states, ["draining", "draining", "taking"], "{trail}");
    assert!(wished.iter().all(|line| line["action"] == "POST rails/state" && line["operator"] == "treasurer"));
    let outcomes = lines.iter().filter(|line| line["outcome"] == "done").count();
    assert_eq!(outcomes, 3, "{trail}");

    // A server does not begin with rails that nobody has drained, or has.
    server.kill();
    let changed = file(&server).replacen("bank", "tank", 1);
    fs::write(server.data().join("draining.jsonl"), changed).expect("written");
    server.spawn(|_| {});
    assert!(!server.becomes_ready(), "the file was changed");
}

#[test]
fn only_a_rail_of_ones_own_that_runs_is_drained() {
    let admin = "[[tenants.operators]]\nname = \"admin\"\napi_key = \"third-admin\"\n\
         secret = \"secret-of-admin-third\"\nrole = \"admin\"\n";
    let server = Server::start(&(both() + admin));
    let (status, opened) =
        signed("POST", &server.url(), "/operator/v1/rails", &Key::of("third", "admin"), "name=byhand");
    assert_eq!(status, 200, "{opened}");
    for (tenant, rail) in [("third", "bank"), ("globex", "own"), ("globex", "never"), ("third", "byhand")] {
        for state in ["draining", "taking"] {
            let (status, refused) = set(&server, tenant, rail, state);
            assert_eq!((status, refused["code"].as_i64()), (400, Some(-9_040)), "{tenant} {rail}: {refused}");
        }
    }
    assert_eq!(file(&server), "", "nothing of it is kept");
    assert_eq!(set(&server, "third", "own", "draining").0, 200);
    assert_eq!((taking(&server, "bank"), taking(&server, "post")), ("all".to_owned(), "all".to_owned()));
}

#[test]
fn what_the_configuration_no_longer_has_is_left_aside_until_it_has_it_again() {
    let mut server = Server::start(&both());
    assert_eq!(set(&server, "globex", "bank", "draining").0, 200);
    server.kill();
    let before = file(&server);
    fs::write(server.configuration(), configuration(&[("post", 1)])).expect("written");
    let log = server.directory().join("log");
    let told = File::create(&log).expect("a file");
    server.spawn(|command| {
        command.stderr(told);
    });
    server.wait_ready();
    assert_eq!(chosen(&server, "d-1"), "post");
    let log = fs::read_to_string(&log).expect("the log");
    let warned = log.lines().any(|line| line.contains("WARN") && line.contains("globex") && line.contains("bank"));
    assert!(warned, "{log}");
    server.kill();
    assert_eq!(file(&server), before);
    fs::write(server.configuration(), both()).expect("written");
    server.restart();
    assert_eq!(chosen(&server, "d-2"), "post");
    // A data directory of before there was the file is one where nothing is drained.
    server.kill();
    fs::remove_file(server.data().join("draining.jsonl")).expect("it was there");
    server.restart();
    assert_eq!(chosen(&server, "d-3"), "bank");
}

/// What somebody was told who drains a rail and takes it back in.
#[derive(Debug, Default)]
struct Told {
    /// What was acknowledged last.
    last: Option<bool>,
    /// How often it was said that something has changed.
    changes: usize,
}

/// Drains a rail and takes it back in until the server is gone.
fn change_until_it_dies(server: &Server, round: u64) -> Told {
    let (url, key) = (server.url(), Key::of("globex", "treasurer"));
    let changer = std::thread::spawn(move || {
        let mut told = Told::default();
        for number in 0_u64.. {
            let is_draining = number.is_multiple_of(2);
            let state = if is_draining { "draining" } else { "taking" };
            let query = format!("name=bank&state={state}&timestamp={}", now_millis());
            let target = format!("{url}/operator/v1/rails/state?{query}&signature={}", key.sign(&query));
            let answer = match ureq::post(&target).header("X-MBX-APIKEY", &key.key).send_empty() {
                Ok(mut response) => response.body_mut().read_to_string(),
                Err(ureq::Error::StatusCode(status)) => panic!("{state}: {status}"),
                Err(error) => Err(error),
            };
            // It is gone.
            let Ok(answer) = answer else { break };
            told.last = Some(is_draining);
            told.changes += usize::from(answer == "{\"repeated\":false}");
        }
        told
    });
    std::thread::sleep(Duration::from_millis(60 + 23 * round));
    let pid = server.pid().to_string();
    assert!(Command::new("kill").args(["-9", &pid]).status().expect("kill runs").success());
    changer.join().expect("nothing was refused")
}

#[test]
fn a_kill_in_the_midst_of_it_leaves_what_was_acknowledged_and_at_most_the_next() {
    let mut server = Server::start(&both());
    let (mut acknowledged, mut unanswered) = (0, 0);
    let (mut before, mut is_drained) = (0, false);
    for round in 0..12 {
        let told = change_until_it_dies(&server, round);
        acknowledged += told.changes;
        server.kill();
        server.restart();
        let lines: Vec<_> = file(&server).lines().map(|line| line.contains("\"draining\":true")).collect();
        let more = lines.len() - before - told.changes;
        assert!(more <= 1, "{told:?} of {before}, and then {}", lines.len());
        assert!(lines.windows(2).all(|pair| pair[0] != pair[1]), "only changes are written");
        // Without the one that nobody answered for, it is as it was told last.
        let acknowledged_last = lines[..lines.len() - more].last().copied().unwrap_or_default();
        assert_eq!(acknowledged_last, told.last.unwrap_or(is_drained), "{told:?}");
        is_drained = taking(&server, "bank") == "drained";
        assert_eq!(is_drained, lines.last().copied().unwrap_or_default(), "the router does as the file says");
        (before, unanswered) = (lines.len(), unanswered + more);
    }
    println!("{acknowledged} changes were acknowledged over 12 kills; {unanswered} of the unanswered were kept");
    assert!(acknowledged > 24, "{acknowledged}");
}
