//! Private keys: making, reading, writing them, and signing.

use std::{fmt, sync::Arc};

use aws_lc_rs::{
    encoding::{AsDer, EcPrivateKeyRfc5915Der, Pkcs8V1Der, PublicKeyX509Der},
    error::Unspecified,
    rand::SystemRandom,
    rsa::KeySize,
    signature::{self as lc, EcdsaKeyPair, EcdsaSigningAlgorithm, Ed25519KeyPair, KeyPair, RsaKeyPair},
};
use der::{Decode, Sequence, asn1::OctetString};
use rustls_pki_types::pem::SectionKind;
use x509_cert::spki::AlgorithmIdentifierOwned;

use crate::{
    algorithm::{KeyAlgorithm, SignatureAlgorithm},
    error::KeyError,
    pem,
    public_key::PublicKey,
};

/// In which structure a key is written to PEM: cert-manager's `privateKey.encoding`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum KeyEncoding {
    /// RSA as PKCS#1, ECDSA as SEC1, Ed25519 (which has no older form) as PKCS#8.
    #[default]
    Pkcs1,
    /// Every kind as PKCS#8.
    Pkcs8,
}

/// A private key. Clones share the key; its Debug form shows no key material.
#[derive(Clone)]
pub struct PrivateKey(Arc<Inner>);

struct Inner {
    pair: Pair,
    pkcs8: Vec<u8>,
    public: PublicKey,
}

enum Pair {
    Rsa(RsaKeyPair),
    Ecdsa(EcdsaKeyPair, Curve),
    Ed25519(Ed25519KeyPair),
}

#[derive(Clone, Copy)]
enum Curve {
    P256,
    P384,
    P521,
}

impl fmt::Debug for PrivateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PrivateKey").field("algorithm", &self.algorithm()).finish_non_exhaustive()
    }
}

impl PrivateKey {
    /// A new key. RSA keys of 2048, 3072, 4096 and 8192 bits can be made; the larger ones take seconds.
    pub fn generate(algorithm: KeyAlgorithm) -> Result<Self, KeyError> {
        let failed = |_: Unspecified| KeyError::Crypto("generate a key");
        let ecdsa = |curve: Curve| {
            EcdsaKeyPair::generate(curve.der_signing()).map(|pair| Pair::Ecdsa(pair, curve)).map_err(failed)
        };
        let pair = match algorithm {
            KeyAlgorithm::Rsa { bits } => {
                let size = match bits {
                    2048 => KeySize::Rsa2048,
                    3072 => KeySize::Rsa3072,
                    4096 => KeySize::Rsa4096,
                    8192 => KeySize::Rsa8192,
                    _ => return Err(KeyError::UnsupportedRsaSize { bits }),
                };
                Pair::Rsa(RsaKeyPair::generate(size).map_err(failed)?)
            }
            KeyAlgorithm::EcdsaP256 => ecdsa(Curve::P256)?,
            KeyAlgorithm::EcdsaP384 => ecdsa(Curve::P384)?,
            KeyAlgorithm::EcdsaP521 => ecdsa(Curve::P521)?,
            KeyAlgorithm::Ed25519 => Pair::Ed25519(Ed25519KeyPair::generate().map_err(failed)?),
        };
        Self::from_pair(pair)
    }

    /// The first private key block of `text`: PKCS#8, PKCS#1 or SEC1. Certificates and parameters around it are
    /// passed over. Errors when there is none, or it is encrypted, malformed or of an unsupported algorithm.
    pub fn from_pem(text: &str) -> Result<Self, KeyError> {
        for (kind, der) in pem::blocks(text).map_err(KeyError::Pem)? {
            if matches!(
                kind,
                SectionKind::PrivateKey | SectionKind::RsaPrivateKey | SectionKind::EcPrivateKey
            ) {
                // OpenSSL's traditional encryption keeps the label and adds a header.
                let encrypted = text.contains("Proc-Type: 4,ENCRYPTED");
                return Self::from_der(&der).map_err(|e| if encrypted { KeyError::Encrypted } else { e });
            }
        }
        if text.contains("-----BEGIN ENCRYPTED PRIVATE KEY-----") {
            return Err(KeyError::Encrypted);
        }
        Err(KeyError::NoKey)
    }

    /// Reads PKCS#8, PKCS#1 or SEC1, whichever the octets are.
    pub fn from_der(der: &[u8]) -> Result<Self, KeyError> {
        if let Ok(pair) = Self::from_pkcs8(der) {
            return Ok(pair);
        }
        if let Ok(pair) = RsaKeyPair::from_der(der) {
            return Self::from_pair(Pair::Rsa(pair));
        }
        for curve in Curve::ALL {
            if let Ok(pair) = EcdsaKeyPair::from_private_key_der(curve.der_signing(), der) {
                return Self::from_pair(Pair::Ecdsa(pair, curve));
            }
        }
        Err(KeyError::MalformedPrivateKey)
    }

    /// Reads a PKCS#8 PrivateKeyInfo (RFC 5208) or OneAsymmetricKey (RFC 5958).
    pub fn from_pkcs8(der: &[u8]) -> Result<Self, KeyError> {
        // The "maybe unchecked" form is the one that takes what openssl writes: no public key inside.
        if let Ok(pair) = Ed25519KeyPair::from_pkcs8_maybe_unchecked(der) {
            return Self::from_pair(Pair::Ed25519(pair));
        }
        for curve in Curve::ALL {
            if let Ok(pair) = EcdsaKeyPair::from_pkcs8(curve.der_signing(), der) {
                return Self::from_pair(Pair::Ecdsa(pair, curve));
            }
        }
        let pair = RsaKeyPair::from_pkcs8(der).map_err(|_| KeyError::MalformedPrivateKey)?;
        Self::from_pair(Pair::Rsa(pair))
    }

    fn from_pair(pair: Pair) -> Result<Self, KeyError> {
        let failed = |_: Unspecified| KeyError::Crypto("encode a key");
        let (pkcs8, spki) = match &pair {
            Pair::Rsa(pair) => {
                let der: Pkcs8V1Der<'_> = pair.as_der().map_err(failed)?;
                (der.as_ref().to_vec(), spki(pair.public_key())?)
            }
            Pair::Ecdsa(pair, _) => {
                (pair.to_pkcs8v1().map_err(failed)?.as_ref().to_vec(), spki(pair.public_key())?)
            }
            Pair::Ed25519(pair) => {
                (pair.to_pkcs8v1().map_err(failed)?.as_ref().to_vec(), spki(pair.public_key())?)
            }
        };
        let public = PublicKey::from_spki_der(&spki)?;
        Ok(Self(Arc::new(Inner { pair, pkcs8, public })))
    }

    /// Kind and size.
    pub fn algorithm(&self) -> KeyAlgorithm {
        self.0.public.algorithm()
    }

    /// The public half.
    pub fn public_key(&self) -> PublicKey {
        self.0.public.clone()
    }

    /// The key as PKCS#8 version 1, DER.
    pub fn pkcs8_der(&self) -> &[u8] {
        &self.0.pkcs8
    }

    /// The key as one PEM block.
    pub fn to_pem(&self, encoding: KeyEncoding) -> Result<String, KeyError> {
        let (label, der) = match (encoding, &self.0.pair) {
            (KeyEncoding::Pkcs1, Pair::Rsa(_)) => ("RSA PRIVATE KEY", self.pkcs1()?),
            (KeyEncoding::Pkcs1, Pair::Ecdsa(pair, _)) => {
                let key = pair.private_key();
                let der: EcPrivateKeyRfc5915Der<'_> =
                    key.as_der().map_err(|_| KeyError::Crypto("encode a key"))?;
                ("EC PRIVATE KEY", der.as_ref().to_vec())
            }
            (KeyEncoding::Pkcs1, Pair::Ed25519(_)) | (KeyEncoding::Pkcs8, _) => {
                ("PRIVATE KEY", self.0.pkcs8.clone())
            }
        };
        pem::encode(label, &der).map_err(|error| KeyError::Pem(error.to_string()))
    }

    /// The PKCS#1 RSAPrivateKey is what the octet string of a PKCS#8 RSA key holds (RFC 5208 section 5).
    fn pkcs1(&self) -> Result<Vec<u8>, KeyError> {
        let info = PrivateKeyInfo::from_der(&self.0.pkcs8).map_err(KeyError::Encode)?;
        Ok(info.private_key.as_bytes().to_vec())
    }

    /// The algorithm [`sign`](Self::sign) uses.
    pub fn signature_algorithm(&self) -> SignatureAlgorithm {
        self.algorithm().signature_algorithm()
    }

    /// Signs as X.509 objects are signed: ECDSA as a DER sequence, RSA with PKCS#1 v1.5 padding, the hash by key.
    pub fn sign(&self, message: &[u8]) -> Result<Vec<u8>, KeyError> {
        self.sign_with(self.signature_algorithm(), message)
    }

    /// The same with another hash.
    ///
    /// # Errors
    /// [`KeyError::Crypto`] if keys of this kind do not sign so, see [`KeyAlgorithm::signs_with`].
    pub fn sign_with(&self, algorithm: SignatureAlgorithm, message: &[u8]) -> Result<Vec<u8>, KeyError> {
        if !self.algorithm().signs_with(algorithm) {
            return Err(KeyError::Crypto("sign with an algorithm of another kind of key"));
        }
        match &self.0.pair {
            Pair::Rsa(pair) => match algorithm {
                SignatureAlgorithm::RsaSha512 => sign_rsa(pair, &lc::RSA_PKCS1_SHA512, message),
                SignatureAlgorithm::RsaSha384 => sign_rsa(pair, &lc::RSA_PKCS1_SHA384, message),
                SignatureAlgorithm::RsaSha256
                | SignatureAlgorithm::EcdsaSha256
                | SignatureAlgorithm::EcdsaSha384
                | SignatureAlgorithm::EcdsaSha512
                | SignatureAlgorithm::Ed25519 => sign_rsa(pair, &lc::RSA_PKCS1_SHA256, message),
            },
            Pair::Ecdsa(pair, _) => sign_ecdsa(pair, message),
            Pair::Ed25519(pair) => sign_ed25519(pair, message),
        }
    }

    /// Signs as JWS is signed (RFC 7518, RFC 8037): RS256, ES256, ES384, ES512 (r and s side by side), EdDSA.
    pub fn sign_jose(&self, message: &[u8]) -> Result<Vec<u8>, KeyError> {
        match &self.0.pair {
            Pair::Rsa(pair) => sign_rsa(pair, &lc::RSA_PKCS1_SHA256, message),
            Pair::Ecdsa(_, curve) => {
                let pair = EcdsaKeyPair::from_pkcs8(curve.fixed_signing(), &self.0.pkcs8)
                    .map_err(|_| KeyError::MalformedPrivateKey)?;
                sign_ecdsa(&pair, message)
            }
            Pair::Ed25519(pair) => sign_ed25519(pair, message),
        }
    }
}

/// RFC 5208 section 5, without attributes: aws-lc writes none.
#[derive(Sequence)]
struct PrivateKeyInfo {
    version: u8,
    algorithm: AlgorithmIdentifierOwned,
    private_key: OctetString,
}

impl Curve {
    const ALL: [Self; 3] = [Self::P256, Self::P384, Self::P521];

    fn der_signing(self) -> &'static EcdsaSigningAlgorithm {
        match self {
            Self::P256 => &lc::ECDSA_P256_SHA256_ASN1_SIGNING,
            Self::P384 => &lc::ECDSA_P384_SHA384_ASN1_SIGNING,
            Self::P521 => &lc::ECDSA_P521_SHA512_ASN1_SIGNING,
        }
    }

    fn fixed_signing(self) -> &'static EcdsaSigningAlgorithm {
        match self {
            Self::P256 => &lc::ECDSA_P256_SHA256_FIXED_SIGNING,
            Self::P384 => &lc::ECDSA_P384_SHA384_FIXED_SIGNING,
            Self::P521 => &lc::ECDSA_P521_SHA512_FIXED_SIGNING,
        }
    }
}

fn spki(public: &impl AsDer<PublicKeyX509Der<'static>>) -> Result<Vec<u8>, KeyError> {
    Ok(public.as_der().map_err(|_| KeyError::Crypto("encode a public key"))?.as_ref().to_vec())
}

fn sign_rsa(
    pair: &RsaKeyPair,
    padding: &'static dyn lc::RsaEncoding,
    message: &[u8],
) -> Result<Vec<u8>, KeyError> {
    let mut signature = vec![0; pair.public_modulus_len()];
    pair.sign(padding, &SystemRandom::new(), message, &mut signature)
        .map_err(|_| KeyError::Crypto("sign"))?;
    Ok(signature)
}

fn sign_ecdsa(pair: &EcdsaKeyPair, message: &[u8]) -> Result<Vec<u8>, KeyError> {
    let signature = pair.sign(&SystemRandom::new(), message).map_err(|_| KeyError::Crypto("sign"))?;
    Ok(signature.as_ref().to_vec())
}

fn sign_ed25519(pair: &Ed25519KeyPair, message: &[u8]) -> Result<Vec<u8>, KeyError> {
    Ok(pair.try_sign(message).map_err(|_| KeyError::Crypto("sign"))?.as_ref().to_vec())
}

#[cfg(test)]
mod tests;
