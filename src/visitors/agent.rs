//! What a `User-Agent` says: a browser and its system, or a program that is no person's browser.
//!
//! A table of our own. The crates that do this were looked at: what is small has not been kept up
//! for years and takes the programs of today for people (woothee 0.13 and isbot 0.1 know neither
//! GPTBot nor ClaudeBot), and what is kept up compiles megabytes of regular expressions. So names
//! are looked for as they stand in the text, and programs are told from browsers by what they
//! have in common rather than by a list of all of them:
//!
//! - every browser of the last twenty years begins with `Mozilla/` or `Opera/` and says in brackets
//!   what it runs on, but for those that show text alone;
//! - who names a page or a mail address to ask about it is no browser;
//! - who calls a part of its name bot, crawler, spider and the like is none.
//!
//! A request without an agent is a program's: every browser sends one, and GoatCounter counts
//! likewise. That nothing is said of languages is no sign, although
//! browsers do say it: no analytics takes it for one, and people who hide from trackers send less.

use std::borrow::Cow;

/// What an agent is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Agent {
    /// A browser, with its name and that of its system where they are known.
    Person {
        /// The browser.
        browser: Option<&'static str>,
        /// The system that it runs on.
        os: Option<&'static str>,
    },
    /// A program, by the name that it gives itself.
    Bot(Cow<'static, str>),
}

/// A longer name of a program is cut.
const NAME_MAX_BYTES: usize = 40;

/// Programs that neither of the rules finds, or whose own word for themselves is not their name.
const BOTS: &[(&str, &str)] = &[
    ("BingPreview", "BingPreview"),
    ("Chrome-Lighthouse", "Lighthouse"),
    ("Cloudflare-", "Cloudflare"),
    ("Expanse, a Palo Alto", "Expanse"),
    ("GTmetrix", "GTmetrix"),
    ("Google Favicon", "Google Favicon"),
    ("Google-Read-Aloud", "Google-Read-Aloud"),
    ("Google-InspectionTool", "Google-InspectionTool"),
    ("HeadlessChrome", "HeadlessChrome"),
    ("MSOffice", "Microsoft Office"),
    ("Microsoft Office", "Microsoft Office"),
    ("Nmap Scripting Engine", "Nmap"),
    ("PTST/", "WebPageTest"),
    ("PhantomJS", "PhantomJS"),
    ("SkypeUriPreview", "SkypeUriPreview"),
    ("Slackbot", "Slackbot"),
    ("TelegramBot", "TelegramBot"),
    ("Yahoo! Slurp", "Yahoo! Slurp"),
    ("ms-office", "Microsoft Office"),
];

/// Words that programs have in their names, in small letters.
const BOT_WORDS: &[&str] = &[
    "bot",
    "crawl",
    "spider",
    "slurp",
    "scrap",
    "fetcher",
    "headless",
    "monitor",
    "uptime",
    "validator",
    "scanner",
    "inspect",
    "archiver",
    "externalhit",
    "externalagent",
    "linkpreview",
    "urlpreview",
];

/// Browsers by what only their agents have, those first that call themselves others too.
const BROWSERS: &[(&str, &str)] = &[
    ("Edg/", "Edge"),
    ("EdgA/", "Edge"),
    ("EdgiOS/", "Edge"),
    ("Edge/", "Edge"),
    ("OPR/", "Opera"),
    ("OPiOS/", "Opera"),
    ("OPT/", "Opera"),
    ("OPX/", "Opera"),
    ("Opera", "Opera"),
    ("SamsungBrowser/", "Samsung Internet"),
    ("YaBrowser/", "Yandex Browser"),
    ("YaApp_", "Yandex Browser"),
    ("YaSearchBrowser/", "Yandex Browser"),
    ("Vivaldi/", "Vivaldi"),
    ("DuckDuckGo/", "DuckDuckGo"),
    ("Ddg/", "DuckDuckGo"),
    ("Brave/", "Brave"),
    ("LinkedInApp", "LinkedIn app"),
    ("FBAN/", "Facebook app"),
    ("FBAV/", "Facebook app"),
    ("FB_IAB/", "Facebook app"),
    ("Instagram ", "Instagram app"),
    ("MicroMessenger/", "WeChat"),
    ("Telegram-Android/", "Telegram app"),
    ("Snapchat/", "Snapchat app"),
    ("musical_ly", "TikTok app"),
    ("BytedanceWebview/", "TikTok app"),
    ("[Pinterest/", "Pinterest app"),
    ("Line/", "LINE app"),
    ("GSA/", "Google app"),
    ("UCBrowser/", "UC Browser"),
    ("UCWEB/", "UC Browser"),
    ("MiuiBrowser/", "MIUI Browser"),
    ("HuaweiBrowser/", "Huawei Browser"),
    ("HeyTapBrowser/", "HeyTap Browser"),
    ("VivoBrowser/", "Vivo Browser"),
    ("QQBrowser/", "QQ Browser"),
    ("Whale/", "Whale"),
    ("Silk/", "Silk"),
    ("Puffin/", "Puffin"),
    ("Falkon/", "Falkon"),
    ("Epiphany/", "GNOME Web"),
    ("Slack/", "Slack"),
    ("Teams/", "Teams"),
    ("Electron/", "Electron"),
    ("SeaMonkey/", "SeaMonkey"),
    ("PaleMoon/", "Pale Moon"),
    ("FxiOS/", "Firefox"),
    ("Focus/", "Firefox"),
    ("Klar/", "Firefox"),
    ("Firefox/", "Firefox"),
    ("Chromium/", "Chromium"),
    ("; wv)", "Android WebView"),
    ("CriOS/", "Chrome"),
    ("Chrome/", "Chrome"),
    ("MSIE ", "Internet Explorer"),
    ("Trident/", "Internet Explorer"),
    ("Konqueror/", "Konqueror"),
    ("Lynx/", "Lynx"),
    ("w3m/", "w3m"),
    ("ELinks/", "ELinks"),
    ("Links (", "Links"),
    ("NetSurf/", "NetSurf"),
    ("Dillo/", "Dillo"),
];

/// Browsers that show text alone, which begin with their own names.
const TEXT_BROWSERS: &[&str] = &["Lynx/", "w3m/", "ELinks/", "Links (", "NetSurf/", "Dillo/", "UCWEB/"];

/// Systems by what only their agents have, those first that call themselves others too.
const SYSTEMS: &[(&str, &str)] = &[
    ("Windows Phone", "Windows Phone"),
    ("Xbox", "Xbox"),
    ("Windows", "Windows"),
    ("HarmonyOS", "HarmonyOS"),
    ("OpenHarmony", "HarmonyOS"),
    ("Tizen", "Tizen"),
    ("KAIOS/", "KaiOS"),
    ("Web0S", "webOS"),
    ("webOS", "webOS"),
    ("Android", "Android"),
    ("iPad", "iPadOS"),
    ("iPhone", "iOS"),
    ("iPod", "iOS"),
    ("CrOS", "ChromeOS"),
    ("Macintosh", "macOS"),
    ("Mac OS X", "macOS"),
    ("PlayStation", "PlayStation"),
    ("Nintendo", "Nintendo"),
    ("FreeBSD", "FreeBSD"),
    ("OpenBSD", "OpenBSD"),
    ("NetBSD", "NetBSD"),
    ("Linux", "Linux"),
    ("X11", "Linux"),
];

impl Agent {
    /// Reads an agent; `""` where the request had none.
    pub fn read(text: &str) -> Agent {
        match bot(text.trim()) {
            Some(name) => Agent::Bot(name),
            None => Agent::Person { browser: browser(text), os: find(SYSTEMS, text) },
        }
    }
}

fn find(table: &[(&str, &'static str)], text: &str) -> Option<&'static str> {
    table.iter().find(|(mark, _)| text.contains(mark)).map(|(_, name)| *name)
}

/// Safari and what is built on its engine say less than others.
fn browser(text: &str) -> Option<&'static str> {
    find(BROWSERS, text).or_else(|| {
        let is_android = text.contains("Android");
        match text.contains("Safari/") {
            true if is_android => Some("Android Browser"),
            true => Some("Safari"),
            // An app's own view of a page, on Apple's phones.
            false => (text.contains("AppleWebKit/") && !is_android).then_some("WebKit app"),
        }
    })
}

/// Returns the name of a program that is no person's browser.
fn bot(text: &str) -> Option<Cow<'static, str>> {
    if let Some(name) = find(BOTS, text) {
        return Some(name.into());
    }
    let plain = || tokens(text).filter(|token| !is_contact(token));
    if let Some(name) = plain().map(name_of).find(|name| has_bot_word(name)) {
        return Some(named(name));
    }
    let says_whom_to_ask = tokens(text).any(is_contact);
    if !says_whom_to_ask && is_browser(text) {
        return None;
    }
    // `Mozilla/5.0 (compatible; CensysInspect/1.1; +https://…)`, or the name comes first.
    let after_compatible = plain().skip_while(|token| *token != "compatible").nth(1);
    let before_contact = || {
        let before = tokens(text).take_while(|token| !is_contact(token));
        before.last().filter(|_| text.starts_with("Mozilla/"))
    };
    let name = after_compatible.or_else(before_contact).or_else(|| plain().next());
    Some(named(name.map_or("", name_of)))
}

fn is_browser(text: &str) -> bool {
    let begins_with = |start: &&str| text.starts_with(start);
    let is_graphical = ["Mozilla/", "Opera/"].iter().any(begins_with) && text.contains('(');
    is_graphical || TEXT_BROWSERS.iter().any(begins_with)
}

fn tokens(text: &str) -> impl Iterator<Item = &str> {
    text.split([' ', ';', '(', ')', ',']).filter(|token| !token.is_empty())
}

/// A page or a mail address to ask about the program.
fn is_contact(token: &str) -> bool {
    token.starts_with('+') || token.contains("://") || token.contains('@') || token.starts_with("www.")
}

fn name_of(token: &str) -> &str {
    token.split('/').next().unwrap_or_default()
}

fn has_bot_word(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    // Phones of that make name it in their agents.
    !name.starts_with("cubot") && BOT_WORDS.iter().any(|word| name.contains(word))
}

/// Returns a name of printable characters and a length that can be shown.
fn named(name: &str) -> Cow<'static, str> {
    let is_shown = |c: &char| c.is_ascii_graphic();
    let name: String = name.chars().filter(is_shown).take(NAME_MAX_BYTES).collect();
    if name.is_empty() { "no user agent".into() } else { name.into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn person(text: &str, browser: &'static str, os: &'static str) {
        let expect = Agent::Person { browser: Some(browser), os: Some(os) };
        assert_eq!(Agent::read(text), expect, "{text}");
    }

    fn program(text: &str, name: &'static str) {
        assert_eq!(Agent::read(text), Agent::Bot(name.into()), "{text}");
    }

    #[test]
    fn browsers_on_desks() {
        person(
            "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Safari/537.36",
            "Chrome",
            "Windows",
        );
        person(
            "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Safari/537.36 Edg/126.0.2592.81",
            "Edge",
            "Windows",
        );
        person(
            "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:127.0) Gecko/20100101 Firefox/127.0",
            "Firefox",
            "Windows",
        );
        person(
            "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.5 Safari/605.1.15",
            "Safari",
            "macOS",
        );
        person(
            "Mozilla/5.0 (Macintosh; Intel Mac OS X 14.5; rv:127.0) Gecko/20100101 Firefox/127.0",
            "Firefox",
            "macOS",
        );
        person("Mozilla/5.0 (X11; Linux x86_64; rv:109.0) Gecko/20100101 Firefox/115.0", "Firefox", "Linux");
        person(
            "Mozilla/5.0 (X11; Ubuntu; Linux x86_64; rv:126.0) Gecko/20100101 Firefox/126.0",
            "Firefox",
            "Linux",
        );
        person(
            "Mozilla/5.0 (X11; CrOS x86_64 14541.0.0) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/125.0.0.0 Safari/537.36",
            "Chrome",
            "ChromeOS",
        );
        person(
            "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/124.0.0.0 Safari/537.36 OPR/110.0.0.0",
            "Opera",
            "Windows",
        );
        person("Opera/9.80 (Windows NT 6.1; WOW64) Presto/2.12.388 Version/12.18", "Opera", "Windows");
        person(
            "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/122.0.0.0 YaBrowser/24.4.0.0 Safari/537.36",
            "Yandex Browser",
            "Windows",
        );
        person(
            "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/124.0.0.0 Safari/537.36 Vivaldi/6.7",
            "Vivaldi",
            "Linux",
        );
        person(
            "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.0 Safari/605.1.15 Epiphany/605.1.15",
            "GNOME Web",
            "Linux",
        );
        person(
            "Mozilla/5.0 (Windows NT 10.0; WOW64; Trident/7.0; rv:11.0) like Gecko",
            "Internet Explorer",
            "Windows",
        );
        person(
            "Mozilla/5.0 (compatible; MSIE 10.0; Windows NT 6.1; Trident/6.0)",
            "Internet Explorer",
            "Windows",
        );
        person(
            "Mozilla/5.0 (X11; FreeBSD amd64; rv:126.0) Gecko/20100101 Firefox/126.0",
            "Firefox",
            "FreeBSD",
        );
        person(
            "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Slack/4.39.90 Chrome/126.0.6478.114 Electron/31.1.0 Safari/537.36",
            "Slack",
            "Windows",
        );
        let lynx = Agent::Person { browser: Some("Lynx"), os: None };
        assert_eq!(Agent::read("Lynx/2.8.9rel.1 libwww-FM/2.14 SSL-MM/1.4.1 GNUTLS/3.7.1"), lynx);
        person("w3m/0.5.3+git20230121 Linux", "w3m", "Linux");
    }

    #[test]
    fn browsers_on_phones() {
        person(
            "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5_1 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.5 Mobile/15E148 Safari/604.1",
            "Safari",
            "iOS",
        );
        person(
            "Mozilla/5.0 (iPad; CPU OS 16_7 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) CriOS/126.0.6478.54 Mobile/15E148 Safari/604.1",
            "Chrome",
            "iPadOS",
        );
        person(
            "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) FxiOS/127.0 Mobile/15E148 Safari/605.1.15",
            "Firefox",
            "iOS",
        );
        person(
            "Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Mobile Safari/537.36",
            "Chrome",
            "Android",
        );
        person(
            "Mozilla/5.0 (Linux; Android 14; SM-S918B) AppleWebKit/537.36 (KHTML, like Gecko) SamsungBrowser/25.0 Chrome/121.0.0.0 Mobile Safari/537.36",
            "Samsung Internet",
            "Android",
        );
        person("Mozilla/5.0 (Android 14; Mobile; rv:127.0) Gecko/127.0 Firefox/127.0", "Firefox", "Android");
        person(
            "Mozilla/5.0 (Linux; Android 13; CUBOT_NOTE_21) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/125.0.0.0 Mobile Safari/537.36",
            "Chrome",
            "Android",
        );
        person(
            "Mozilla/5.0 (Linux; U; Android 4.4.2; en-us; LG-V410) AppleWebKit/537.16 (KHTML, like Gecko) Version/4.0 Safari/537.16",
            "Android Browser",
            "Android",
        );
        person(
            "Mozilla/5.0 (Linux; arm_64; Android 14; SM-A546E) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/124.0.6367.219 YaBrowser/24.6.3.62.00 SA/3 Mobile Safari/537.36",
            "Yandex Browser",
            "Android",
        );
        person(
            "Mozilla/5.0 (Phone; OpenHarmony 5.0) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/114.0.0.0 Safari/537.36 ArkWeb/4.1.6.1 Mobile HuaweiBrowser/5.0.4.300",
            "Huawei Browser",
            "HarmonyOS",
        );
    }

    #[test]
    fn apps_that_show_pages() {
        person(
            "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5_1 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Mobile/15E148 [LinkedInApp]/9.29.8962",
            "LinkedIn app",
            "iOS",
        );
        person(
            "Mozilla/5.0 (Linux; Android 14; Pixel 8 Build/AP1A.240505.005; wv) AppleWebKit/537.36 (KHTML, like Gecko) Version/4.0 Chrome/125.0.6422.165 Mobile Safari/537.36 [LinkedInApp]/4.1.950",
            "LinkedIn app",
            "Android",
        );
        person(
            "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5_1 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Mobile/21F90 Instagram 334.0.4.32.98 (iPhone14,5; iOS 17_5_1; en_GB; en; scale=3.00; 1170x2532; 612212137)",
            "Instagram app",
            "iOS",
        );
        person(
            "Mozilla/5.0 (Linux; Android 13; SM-A135F Build/TP1A.220624.014; wv) AppleWebKit/537.36 (KHTML, like Gecko) Version/4.0 Chrome/125.0.6422.165 Mobile Safari/537.36 [FB_IAB/FB4A;FBAV/466.1.0.59.106;]",
            "Facebook app",
            "Android",
        );
        person(
            "Mozilla/5.0 (iPhone; CPU iPhone OS 16_6 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) GSA/321.0 Mobile/15E148 Safari/604.1",
            "Google app",
            "iOS",
        );
        person(
            "Mozilla/5.0 (iPhone; CPU iPhone OS 17_4_1 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Mobile/15E148",
            "WebKit app",
            "iOS",
        );
        person(
            "Mozilla/5.0 (Linux; Android 12; M2101K6G Build/SKQ1.210908.001; wv) AppleWebKit/537.36 (KHTML, like Gecko) Version/4.0 Chrome/120.0.6099.230 Mobile Safari/537.36",
            "Android WebView",
            "Android",
        );
    }

    #[test]
    fn search_engines_and_machines_that_learn() {
        program("Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)", "Googlebot");
        program(
            "Mozilla/5.0 (Linux; Android 6.0.1; Nexus 5X Build/MMB29P) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/125.0.6422.175 Mobile Safari/537.36 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)",
            "Googlebot",
        );
        program(
            "Mozilla/5.0 AppleWebKit/537.36 (KHTML, like Gecko; compatible; bingbot/2.0; +http://www.bing.com/bingbot.htm) Chrome/116.0.1938.76 Safari/537.36",
            "bingbot",
        );
        program("Mozilla/5.0 (compatible; YandexBot/3.0; +http://yandex.com/bots)", "YandexBot");
        program("DuckDuckBot/1.1; (+http://duckduckgo.com/duckduckbot.html)", "DuckDuckBot");
        program(
            "Mozilla/5.0 (compatible; Baiduspider/2.0; +http://www.baidu.com/search/spider.html)",
            "Baiduspider",
        );
        program(
            "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.4 Safari/605.1.15 (Applebot/0.1; +http://www.apple.com/go/applebot)",
            "Applebot",
        );
        program(
            "Mozilla/5.0 (compatible; Yahoo! Slurp; http://help.yahoo.com/help/us/ysearch/slurp)",
            "Yahoo! Slurp",
        );
        program(
            "Mozilla/5.0 AppleWebKit/537.36 (KHTML, like Gecko; compatible; GPTBot/1.1; +https://openai.com/gptbot)",
            "GPTBot",
        );
        program(
            "Mozilla/5.0 AppleWebKit/537.36 (KHTML, like Gecko); compatible; ChatGPT-User/1.0; +https://openai.com/bot",
            "ChatGPT-User",
        );
        program(
            "Mozilla/5.0 AppleWebKit/537.36 (KHTML, like Gecko; compatible; ClaudeBot/1.0; +claudebot@anthropic.com)",
            "ClaudeBot",
        );
        program(
            "Mozilla/5.0 AppleWebKit/537.36 (KHTML, like Gecko; compatible; Claude-User/1.0; +Claude-User@anthropic.com)",
            "Claude-User",
        );
        program(
            "Mozilla/5.0 AppleWebKit/537.36 (KHTML, like Gecko; compatible; PerplexityBot/1.0; +https://perplexity.ai/perplexitybot)",
            "PerplexityBot",
        );
        program(
            "Mozilla/5.0 (Linux; Android 5.0) AppleWebKit/537.36 (KHTML, like Gecko) Mobile Safari/537.36 (compatible; Bytespider; spider-feedback@bytedance.com)",
            "Bytespider",
        );
        program("CCBot/2.0 (https://commoncrawl.org/faq/)", "CCBot");
        program("Mozilla/5.0 (compatible; AhrefsBot/7.0; +http://ahrefs.com/robot/)", "AhrefsBot");
        program("Mozilla/5.0 (compatible; Google-InspectionTool/1.0;)", "Google-InspectionTool");
        program(
            "meta-externalagent/1.1 (+https://developers.facebook.com/docs/sharing/webmasters/crawler)",
            "meta-externalagent",
        );
    }

    #[test]
    fn previews_of_links() {
        program(
            "LinkedInBot/1.0 (compatible; Mozilla/5.0; Apache-HttpClient +http://www.linkedin.com)",
            "LinkedInBot",
        );
        program(
            "facebookexternalhit/1.1 (+http://www.facebook.com/externalhit_uatext.php)",
            "facebookexternalhit",
        );
        program("Twitterbot/1.0", "Twitterbot");
        program("WhatsApp/2.23.20.0", "WhatsApp");
        program("TelegramBot (like TwitterBot)", "TelegramBot");
        program("Slackbot-LinkExpanding 1.0 (+https://api.slack.com/robots)", "Slackbot");
        program("Mozilla/5.0 (compatible; Discordbot/2.0; +https://discordapp.com)", "Discordbot");
        program(
            "Mozilla/5.0 (Windows NT 6.1; WOW64) SkypeUriPreview Preview/0.5 skype-url-preview@microsoft.com",
            "SkypeUriPreview",
        );
        program(
            "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/79.0.3945.88 Safari/537.36 Google-PageRenderer Google (+https://developers.google.com/+/web/snippet/)",
            "Google",
        );
        program("Mozilla/4.0 (compatible; ms-office; MSOffice 16)", "Microsoft Office");
    }

    #[test]
    fn tools_and_watchmen() {
        program("curl/8.5.0", "curl");
        program("curl/7.88.1", "curl");
        program("Wget/1.21.3", "Wget");
        program("python-requests/2.31.0", "python-requests");
        program("Go-http-client/2.0", "Go-http-client");
        program("okhttp/4.12.0", "okhttp");
        program(
            "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) HeadlessChrome/126.0.0.0 Safari/537.36",
            "HeadlessChrome",
        );
        program(
            "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/109.0.0.0 Safari/537.36 Chrome-Lighthouse",
            "Lighthouse",
        );
        program("Mozilla/5.0 (compatible; CensysInspect/1.1; +https://about.censys.io/)", "CensysInspect");
        program(
            "Mozilla/5.0 zgrab/0.x (compatible; NetSystemsResearch; info@netsystemsresearch.com)",
            "NetSystemsResearch",
        );
        program("Mozilla/5.0+(compatible; UptimeRobot/2.0; http://www.uptimerobot.com/)", "UptimeRobot");
        program("Expanse, a Palo Alto Networks company, searches across the global IPv4 space", "Expanse");
        program("Mozilla/5.0 (compatible; Nmap Scripting Engine; https://nmap.org/book/nse.html)", "Nmap");
        program("Mastodon/4.2.8 (http.rb/5.1.1; +https://mastodon.example/)", "Mastodon");
        program(
            "Feedly/1.0 (+http://www.feedly.com/fetcher.html; like FeedFetcher-Google)",
            "FeedFetcher-Google",
        );
        program("W3C_Validator/1.3 http://validator.w3.org/services", "W3C_Validator");
        program("", "no user agent");
        program("-", "-");
        program("Mozilla/5.0", "Mozilla");
    }

    #[test]
    fn a_name_that_a_stranger_wrote_is_bounded() {
        let Agent::Bot(name) = Agent::read(&format!("{}\u{7}é\n/1.0", "x".repeat(300))) else {
            panic!("it is no browser")
        };
        assert_eq!(name, "x".repeat(NAME_MAX_BYTES));
    }
}
