//! The status page in a real browser: every page at both widths in both themes, the keyboard, no scripts, a change that is
//! seen without loading again.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::UnixStream;

use serde_json::{Value, json};

use heliostat::service::news::LISTENERS_MAX;

use super::*;
use crate::rig::browser::Browser;

/// What somebody may call a file to see what a page does with it.
const HOSTILE: [&[u8]; 5] = [
    b"<script>document.title='taken'<",
    b"\"><img src=x onerror=document.title='taken'>",
    b"line\nbreak",
    b"\xff\xfe not utf-8",
    "\u{202e}gpj.exe".as_bytes(),
];

const TAB: char = '\u{e004}';
const ENTER: char = '\u{e007}';

/// Text whose colours are too close to each other, each with its ratio: nearest ground up the tree, text nodes and what
/// stands before and after elements.
const CONTRAST: &str = r"
    const parse = text => { const n = text.match(/[\d.]+/g).map(Number); return n.length > 3 ? n : [...n, 1]; };
    const light = ([r, g, b]) => {
        const [x, y, z] = [r, g, b].map(c => { c /= 255; return c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4; });
        return 0.2126 * x + 0.7152 * y + 0.0722 * z;
    };
    const ground = element => {
        for (let at = element; at; at = at.parentElement) {
            const colour = parse(getComputedStyle(at).backgroundColor);
            if (colour[3] === 1) return colour;
            if (colour[3] !== 0) throw new Error('a ground that shines through: ' + at.className);
        }
        return matchMedia('(prefers-color-scheme: dark)').matches ? [0, 0, 0] : [255, 255, 255];
    };
    const seen = [], bad = [];
    const measure = (element, style, text) => {
        const [a, b] = [light(parse(style.color)), light(ground(element))].sort((x, y) => y - x);
        const ratio = (a + 0.05) / (b + 0.05);
        seen.push(text);
        if (ratio < 4.5) bad.push(ratio.toFixed(2) + ' ' + element.tagName + '.' + element.className + ': ' + text.slice(0, 60));
    };
    const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    while (walker.nextNode()) {
        const node = walker.currentNode, element = node.parentElement;
        if (!node.data.trim() || element.closest('.vh, script, noscript') || !element.getClientRects().length) continue;
        measure(element, getComputedStyle(element), node.data.trim());
    }
    for (const element of document.body.querySelectorAll('*')) {
        for (const which of ['::before', '::after']) {
            const style = getComputedStyle(element, which);
            if (!['none', 'normal', '\'\'', '\x22\x22'].includes(style.content) && element.getClientRects().length) measure(element, style, style.content);
        }
    }
    return {seen: seen.length, bad};
";

/// How far the page is wider than the window, and what is.
const TOO_WIDE: &str = r"
    const width = document.documentElement.clientWidth;
    const out = [...document.body.querySelectorAll('*')].filter(e => !e.closest('.vh, .skip, svg, thead') && e.getBoundingClientRect().right > width + 1);
    return {by: document.documentElement.scrollWidth - width, out: out.map(e => e.tagName + '.' + e.className).slice(0, 5)};
";

/// What is not as readers of the page's structure need it.
const STRUCTURE: &str = r"
    const wrong = [];
    if (!document.documentElement.lang) wrong.push('lang');
    if (document.querySelectorAll('h1').length !== 1) wrong.push('h1');
    if (document.querySelectorAll('main').length !== 1) wrong.push('main');
    let last = 0;
    for (const h of document.querySelectorAll('h1, h2, h3')) { const n = +h.tagName[1]; if (n > last + 1) wrong.push('jump to ' + h.innerText); last = n; }
    for (const t of document.querySelectorAll('table')) {
        if (!t.caption || !t.caption.innerText.trim()) wrong.push('caption');
        if ([...t.querySelectorAll('th')].some(th => !th.scope)) wrong.push('scope');
    }
    const ids = [...document.querySelectorAll('[id]')].map(e => e.id);
    wrong.push(...ids.filter((id, at) => ids.indexOf(id) !== at));
    for (const s of document.querySelectorAll('.state')) if (!s.innerText.trim()) wrong.push('a state without a word');
    for (const u of document.querySelectorAll('use')) if (!document.querySelector(u.getAttribute('href'))) wrong.push('no ' + u.getAttribute('href'));
    for (const s of document.querySelectorAll('svg[role=img]')) if (!s.getAttribute('aria-label')) wrong.push('a plot without words');
    for (const i of document.querySelectorAll('input:not([type=hidden])')) if (!i.labels.length) wrong.push('a field without a label');
    for (const e of document.querySelectorAll('form')) if (e.method !== 'get') wrong.push('a form that changes something');
    return wrong;
";

/// A service with routes in sync, held, waiting and retrying, whose files have hostile names; deep below long names.
fn many_states() -> (Web, Scratch) {
    let scratch = Scratch::new();
    let long = format!(
        "a-{}-b",
        "long-name-that-goes-on".repeat(3).get(..58).unwrap()
    );
    let sources = json!({
        "gone": site(&scratch.path().join("gone"), json!({"copy": local(&scratch.dir("gone-copy"))})),
        long.as_str(): site(&scratch.dir("long"), json!({
            long.as_str(): local(&scratch.dir("long-copy")),
            "away": {"url": "rsync://nobody@127.0.0.1:1/module/path", "windows": [{"deny": "03:00-03:01"}]},
        })),
    });
    let web = Web::with_more(&sources, json!({"delete": "propagate", "maxDelete": 1}));
    for name in HOSTILE {
        fs::write(web.source.join(OsStr::from_bytes(name)), "x").unwrap();
    }
    assert!(Web::settles(&web, "site/copy", "in sync"));
    hold(&web);
    (web, scratch)
}

/// More is deleted than may be without a word.
fn hold(web: &Web) {
    for name in HOSTILE {
        let copy = web.copy.join(OsStr::from_bytes(name));
        let sent = wait_for(PATIENCE, || copy.exists().then_some(()));
        assert!(sent.is_some(), "{}", web.service.tail());
    }
    for name in HOSTILE {
        fs::remove_file(web.source.join(OsStr::from_bytes(name))).unwrap();
    }
    assert!(Web::settles(web, "site/copy", "held"));
}

/// Nothing was asked for but this service, and nothing complained.
fn was_quiet(browser: &Browser, web: &Web) {
    let (console, requests) = browser.heard();
    assert_eq!(console, Vec::<Value>::new());
    let own = format!("http://{}/", web.address);
    let foreign: Vec<&String> = requests
        .iter()
        .filter(|address| !address.starts_with(&own) && !address.starts_with("data:"))
        .collect();
    assert!(!requests.is_empty() && foreign.is_empty(), "{foreign:?}");
}

#[test]
fn every_page_is_whole_at_both_widths_in_both_themes() {
    let Some(browser) = Browser::start() else {
        return;
    };
    let (web, _scratch) = many_states();
    let at = |path: &str| format!("http://{}{path}", web.address);
    let long = browser_route(&web);
    for path in [
        "/",
        "/routes/site/copy",
        &long,
        "/manifest",
        "/routes/no/such",
    ] {
        for (width, theme) in [
            (375, "light"),
            (375, "dark"),
            (1280, "light"),
            (1280, "dark"),
        ] {
            browser.look(width, theme);
            browser.go(&at(path));
            browser.run("document.querySelectorAll('details').forEach(d => d.open = true)");
            let wide = browser.run(TOO_WIDE);
            assert!(
                wide["by"] == 0 && wide["out"] == json!([]),
                "{path} at {width}: {wide}"
            );
            let contrast = browser.run(CONTRAST);
            assert_eq!(contrast["bad"], json!([]), "{path} {theme} at {width}");
            assert!(
                contrast["seen"].as_u64().unwrap() >= 3,
                "{path}: {contrast}"
            );
            assert_eq!(browser.run(STRUCTURE), json!([]), "{path} at {width}");
            assert_ne!(browser.run("return document.title"), "taken");
        }
        // One that is not there is in the console; it is asked for last.
        if path == "/manifest" {
            was_quiet(&browser, &web);
        }
    }
    let dark = "return getComputedStyle(document.body).backgroundColor";
    let night = browser.run(dark);
    browser.look(1280, "light");
    assert_ne!(browser.run(dark), night);
    browser.go(&at("/routes/site/copy"));
    let text = browser.text();
    for said in [
        "<script>document.title='taken'<",
        "line\\nbreak",
        "\\xff\\xfe not utf-8",
        "\\u{202e}gpj.exe",
    ] {
        assert!(text.contains(said), "{said}: {text}");
    }
    for said in [
        "heliostat approve site/copy --id ",
        "the route is held",
        "Source watched",
        "Last 6 hours",
        "copied by heliostat itself",
    ] {
        assert!(text.contains(said), "{said}: {text}");
    }
    browser.go(&at(&long));
    let text = browser.text();
    for said in [
        "tries failed",
        "unreachable",
        "rsync --links",
        "windows next",
        "03:00-03:01",
    ] {
        assert!(text.contains(said), "{said}: {text}");
    }
    browser.go(&at("/manifest"));
    let text = browser.text();
    for said in [
        "This is what runs",
        "maxDelete: 1",
        "manifest.yaml:1",
        "default",
    ] {
        assert!(text.contains(said), "{said}: {text}");
    }
}

/// The page of the route that has nowhere to go.
fn browser_route(web: &Web) -> String {
    let status = web.get("/v1/status").json();
    let routes = status["routes"].as_array().unwrap();
    let names = routes.iter().map(|route| route["route"].as_str().unwrap());
    let name = names
        .into_iter()
        .find(|name| name.ends_with("/away"))
        .unwrap();
    format!("/routes/{name}")
}

#[test]
fn the_keyboard_reaches_everything_in_its_order() {
    let Some(browser) = Browser::start() else {
        return;
    };
    let (web, _scratch) = many_states();
    browser.look(1280, "light");
    for path in ["/", "/routes/site/copy", "/manifest"] {
        // It stands still, or what is counted may change meanwhile.
        browser.go(&format!("http://{}{path}?live=off", web.address));
        let all = browser.run(
            "return [...document.querySelectorAll('a[href], button, input:not([type=hidden]), summary')].map(e => e.outerHTML)",
        );
        let all = all.as_array().unwrap();
        assert!(all.len() >= 3, "{all:?}");
        for wanted in all {
            browser.press(TAB);
            let focus = browser.run(
                "const e = document.activeElement, s = getComputedStyle(e), b = e.getBoundingClientRect();
                 return {html: e.outerHTML, style: s.outlineStyle, width: parseFloat(s.outlineWidth), seen: b.top >= 0 && b.bottom <= innerHeight && b.width > 0}",
            );
            assert_eq!(&focus["html"], wanted, "{path}");
            assert_ne!(focus["style"], "none", "{path}: {focus}");
            assert!(focus["width"].as_f64().unwrap() >= 2.0, "{path}: {focus}");
            assert_eq!(focus["seen"], true, "{path}: {focus}");
        }
    }
    // The first thing that is reached leads past everything, and a route's link to its page.
    browser.go(&format!("http://{}/?live=off", web.address));
    browser.press(TAB);
    browser.press(ENTER);
    browser.until(
        "at the content",
        "return document.activeElement.id === 'main'",
    );
    browser.run("document.getElementById('link-site/copy').focus()");
    browser.press(ENTER);
    browser.until(
        "the route's page",
        "return location.pathname === '/routes/site/copy'",
    );
    was_quiet(&browser, &web);
}

#[test]
fn without_scripts_the_same_is_shown_and_loaded_again() {
    let Some(browser) = Browser::start() else {
        return;
    };
    let (web, _scratch) = many_states();
    browser.look(1280, "light");
    // Times pass; all else is the same.
    let read = "const m = document.querySelector('main').cloneNode(true); m.querySelectorAll('time, .number, .why, #why').forEach(e => e.remove()); return m.textContent.replace(/\\d+[smh] ago/g, '')";
    for path in ["/", "/routes/site/copy", "/manifest"] {
        let address = format!("http://{}{path}", web.address);
        browser.scripts(true);
        browser.go(&address);
        let with = browser.run(read);
        browser.scripts(false);
        browser.go(&address);
        assert_eq!(browser.run(read), with, "{path}");
        let refresh =
            browser.run("return document.querySelector('meta[http-equiv=refresh]') !== null");
        assert_eq!(refresh, path != "/manifest", "{path}");
    }
    browser.go(&format!("http://{}/?live=off", web.address));
    let refresh = browser.run("return document.querySelector('meta[http-equiv=refresh]') !== null");
    assert_eq!(refresh, false, "somebody wants to read in peace");
    was_quiet(&browser, &web);
}

/// As many as can follow at once, at the socket.
fn follow_all(web: &Web) -> Vec<UnixStream> {
    let mut all = Vec::new();
    let full = wait_for(PATIENCE, || {
        let mut stream = UnixStream::connect(web.service.socket()).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let request = "GET /v1/events HTTP/1.1\r\nhost: localhost\r\n\r\n";
        stream.write_all(request.as_bytes()).unwrap();
        let mut head = [0; 12];
        stream.read_exact(&mut head).unwrap();
        let full = head.ends_with(b"429");
        if !full {
            all.push(stream);
        }
        // Those of a browser that went on may not have been missed yet.
        (full && all.len() == LISTENERS_MAX).then_some(())
    });
    assert!(full.is_some(), "{}", all.len());
    all
}

#[test]
fn a_route_that_is_held_is_seen_without_loading_again() {
    let Some(browser) = Browser::start() else {
        return;
    };
    let mut web = Web::with(json!({}), json!({"delete": "propagate", "maxDelete": 1}));
    for name in HOSTILE {
        fs::write(web.source.join(OsStr::from_bytes(name)), "x").unwrap();
    }
    assert!(Web::settles(&web, "site/copy", "in sync"));
    browser.look(1280, "dark");
    browser.go(&format!("http://{}/", web.address));
    browser.run("window.loaded = 'once'; document.getElementById('link-site/copy').focus()");
    // It is told, and does not ask.
    browser.until(
        "told",
        "return document.documentElement.classList.contains('told') && document.documentElement.dataset.news > 0",
    );
    let told = browser.run("return Number(document.documentElement.dataset.news)");
    hold(&web);
    browser.until(
        "held",
        "return document.getElementById('route-site/copy').innerText.includes('heliostat approve')",
    );
    let verdict = browser.run("return document.getElementById('verdict').innerText");
    assert_eq!(verdict, "1 of 1 route needs attention.");
    let kept = browser.run("return [window.loaded, document.activeElement.id]");
    assert_eq!(kept, json!(["once", "link-site/copy"]));
    let more = browser.run("return Number(document.documentElement.dataset.news)");
    assert!(more.as_u64() > told.as_u64(), "{told} {more}");
    was_quiet(&browser, &web);
    // Where others have taken every place, it asks by itself. On a route's page what is open stays open.
    browser.go("about:blank");
    let _crowd = follow_all(&web);
    browser.go(&format!("http://{}/routes/site/copy", web.address));
    browser.run("window.loaded = 'once'; document.getElementById('by-hour').open = true");
    for name in HOSTILE {
        fs::write(web.source.join(OsStr::from_bytes(name)), "y").unwrap();
    }
    browser.until(
        "released",
        "return document.getElementById('route-state').innerText.includes('in sync')",
    );
    let kept = browser.run("return [window.loaded, document.getElementById('by-hour').open, document.getElementById('hold').innerText]");
    assert_eq!(kept, json!(["once", true, ""]));
    let told = browser.run("return document.documentElement.classList.contains('told')");
    assert_eq!(told, false);
    // A page that hears nothing any more says so.
    web.service.kill();
    browser.until(
        "stale",
        "return document.getElementById('heard').innerText.startsWith('no answer since ')",
    );
}
