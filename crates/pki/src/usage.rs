//! What a key may be used for: cert-manager's names of key usages and extended key usages.

use std::fmt;

use const_oid::ObjectIdentifier;
use x509_cert::ext::pkix::{ExtendedKeyUsage, KeyUsage, KeyUsages};

use crate::error::X509Error;

/// One of the 23 values of a Certificate's `spec.usages`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Usage {
    /// The same bit as digital signature.
    Signing,
    /// Signatures other than over certificates and CRLs.
    DigitalSignature,
    /// Signatures that cannot be denied later.
    ContentCommitment,
    /// Encrypting keys, as RSA key exchange does.
    KeyEncipherment,
    /// Agreeing on keys.
    KeyAgreement,
    /// Encrypting data itself.
    DataEncipherment,
    /// Signing certificates.
    CertSign,
    /// Signing lists of revoked certificates.
    CrlSign,
    /// With key agreement: encrypting only.
    EncipherOnly,
    /// With key agreement: decrypting only.
    DecipherOnly,
    /// Any extended usage.
    Any,
    /// TLS servers.
    ServerAuth,
    /// TLS clients.
    ClientAuth,
    /// Signing programs.
    CodeSigning,
    /// E-mail.
    EmailProtection,
    /// The same as e-mail protection.
    SMime,
    /// IPsec, end system.
    IpsecEndSystem,
    /// IPsec, tunnel.
    IpsecTunnel,
    /// IPsec, user.
    IpsecUser,
    /// Signing times.
    Timestamping,
    /// Signing OCSP answers.
    OcspSigning,
    /// Microsoft server gated crypto.
    MicrosoftSgc,
    /// Netscape server gated crypto.
    NetscapeSgc,
}

/// Where a usage is written.
enum Bit {
    Key(KeyUsages),
    Extended(ObjectIdentifier),
}

impl Usage {
    /// Every usage; of the two that share a bit, the one read back comes first.
    pub const ALL: [Self; 23] = [
        Self::DigitalSignature,
        Self::Signing,
        Self::ContentCommitment,
        Self::KeyEncipherment,
        Self::KeyAgreement,
        Self::DataEncipherment,
        Self::CertSign,
        Self::CrlSign,
        Self::EncipherOnly,
        Self::DecipherOnly,
        Self::Any,
        Self::ServerAuth,
        Self::ClientAuth,
        Self::CodeSigning,
        Self::EmailProtection,
        Self::SMime,
        Self::IpsecEndSystem,
        Self::IpsecTunnel,
        Self::IpsecUser,
        Self::Timestamping,
        Self::OcspSigning,
        Self::MicrosoftSgc,
        Self::NetscapeSgc,
    ];

    /// Reads cert-manager's name of a usage, exactly. The error lists the names there are.
    pub fn parse(name: &str) -> Result<Self, X509Error> {
        Self::ALL.into_iter().find(|usage| usage.name() == name).ok_or_else(|| X509Error::UnknownUsage {
            value: name.to_owned(),
            expected: Self::ALL.map(Self::name).join(", "),
        })
    }

    /// cert-manager's name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Signing => "signing",
            Self::DigitalSignature => "digital signature",
            Self::ContentCommitment => "content commitment",
            Self::KeyEncipherment => "key encipherment",
            Self::KeyAgreement => "key agreement",
            Self::DataEncipherment => "data encipherment",
            Self::CertSign => "cert sign",
            Self::CrlSign => "crl sign",
            Self::EncipherOnly => "encipher only",
            Self::DecipherOnly => "decipher only",
            Self::Any => "any",
            Self::ServerAuth => "server auth",
            Self::ClientAuth => "client auth",
            Self::CodeSigning => "code signing",
            Self::EmailProtection => "email protection",
            Self::SMime => "s/mime",
            Self::IpsecEndSystem => "ipsec end system",
            Self::IpsecTunnel => "ipsec tunnel",
            Self::IpsecUser => "ipsec user",
            Self::Timestamping => "timestamping",
            Self::OcspSigning => "ocsp signing",
            Self::MicrosoftSgc => "microsoft sgc",
            Self::NetscapeSgc => "netscape sgc",
        }
    }

    /// Whether it is one of key usages (RFC 5280 section 4.2.1.3), not of the extended ones.
    pub fn is_key_usage(self) -> bool {
        matches!(self.bit(), Bit::Key(_))
    }

    fn bit(self) -> Bit {
        let extended = |oid: &'static str| Bit::Extended(ObjectIdentifier::new_unwrap(oid));
        match self {
            Self::Signing | Self::DigitalSignature => Bit::Key(KeyUsages::DigitalSignature),
            Self::ContentCommitment => Bit::Key(KeyUsages::NonRepudiation),
            Self::KeyEncipherment => Bit::Key(KeyUsages::KeyEncipherment),
            Self::KeyAgreement => Bit::Key(KeyUsages::KeyAgreement),
            Self::DataEncipherment => Bit::Key(KeyUsages::DataEncipherment),
            Self::CertSign => Bit::Key(KeyUsages::KeyCertSign),
            Self::CrlSign => Bit::Key(KeyUsages::CRLSign),
            Self::EncipherOnly => Bit::Key(KeyUsages::EncipherOnly),
            Self::DecipherOnly => Bit::Key(KeyUsages::DecipherOnly),
            Self::Any => extended("2.5.29.37.0"),
            Self::ServerAuth => extended("1.3.6.1.5.5.7.3.1"),
            Self::ClientAuth => extended("1.3.6.1.5.5.7.3.2"),
            Self::CodeSigning => extended("1.3.6.1.5.5.7.3.3"),
            Self::EmailProtection | Self::SMime => extended("1.3.6.1.5.5.7.3.4"),
            Self::IpsecEndSystem => extended("1.3.6.1.5.5.7.3.5"),
            Self::IpsecTunnel => extended("1.3.6.1.5.5.7.3.6"),
            Self::IpsecUser => extended("1.3.6.1.5.5.7.3.7"),
            Self::Timestamping => extended("1.3.6.1.5.5.7.3.8"),
            Self::OcspSigning => extended("1.3.6.1.5.5.7.3.9"),
            Self::MicrosoftSgc => extended("1.3.6.1.4.1.311.10.3.3"),
            Self::NetscapeSgc => extended("2.16.840.1.113730.4.1"),
        }
    }

    /// The key usage extension for `usages`, and for signing certificates when `is_ca`; None when it would be empty.
    pub(crate) fn key_usage(usages: &[Self], is_ca: bool) -> Option<KeyUsage> {
        let signs = is_ca.then_some(Self::CertSign);
        let mut bits = KeyUsage(Default::default());
        for usage in usages.iter().copied().chain(signs) {
            if let Bit::Key(bit) = usage.bit() {
                bits.0 |= bit;
            }
        }
        (!bits.0.is_empty()).then_some(bits)
    }

    /// The extended key usage extension for `usages`; None when it would be empty.
    pub(crate) fn extended_key_usage(usages: &[Self]) -> Option<ExtendedKeyUsage> {
        let mut oids = Vec::new();
        for usage in usages {
            if let Bit::Extended(oid) = usage.bit()
                && !oids.contains(&oid)
            {
                oids.push(oid);
            }
        }
        (!oids.is_empty()).then_some(ExtendedKeyUsage(oids))
    }

    /// What two extensions allow. Purposes without a name here are left out; of `signing` and `digital signature`
    /// the latter, of `email protection` and `s/mime` the former is told.
    pub(crate) fn from_extensions(key: Option<&KeyUsage>, extended: Option<&ExtendedKeyUsage>) -> Vec<Self> {
        let set = |usage: &Self| match usage.bit() {
            Bit::Key(bit) => key.is_some_and(|key| key.0.contains(bit)),
            Bit::Extended(oid) => extended.is_some_and(|extended| extended.0.contains(&oid)),
        };
        Self::ALL
            .into_iter()
            .filter(|usage| !matches!(usage, Self::Signing | Self::SMime))
            .filter(set)
            .collect()
    }
}

impl fmt::Display for Usage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    #[test]
    fn every_name_is_read_back_and_an_unknown_one_is_refused() {
        for usage in Usage::ALL {
            assert_eq!(Usage::parse(usage.name()).unwrap(), usage);
        }
        assert!(Usage::parse("Server Auth").unwrap_err().to_string().contains("server auth"));
    }
}
