package transport

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"time"
)

// Names of the files in which a node keeps the certificate it made itself.
const (
	selfMadeKeyFile         = "api.key"
	selfMadeCertificateFile = "api.crt"
)

// A self-made certificate is made anew, from the same key, when less than
// renewBefore of its life is left. The key stays because clients pin the key.
const (
	selfMadeLife = 397 * 24 * time.Hour
	renewBefore  = 60 * 24 * time.Hour
)

// loadPair reads a certificate chain and its key from two PEM files.
func loadPair(certFile, keyFile string) (*tls.Certificate, error) {
	pair, err := tls.LoadX509KeyPair(certFile, keyFile)
	if err != nil {
		return nil, fmt.Errorf("loading the TLS certificate %s with key %s: %w", certFile, keyFile, err)
	}
	return &pair, nil
}

// selfMade returns the certificate that the node made for itself, for the hosts
// under which its API is reached. It makes the key at the first start and a new
// certificate whenever the old one is missing, near its end or lacks a host.
func selfMade(dir string, hosts []string, now time.Time) (*tls.Certificate, error) {
	key, err := selfMadeKey(filepath.Join(dir, selfMadeKeyFile))
	if err != nil {
		return nil, err
	}
	certFile := filepath.Join(dir, selfMadeCertificateFile)
	if chain, err := os.ReadFile(certFile); err == nil {
		if leaf, ok := stillGood(chain, key, hosts, now); ok {
			return &tls.Certificate{Certificate: [][]byte{leaf.Raw}, PrivateKey: key, Leaf: leaf}, nil
		}
	} else if !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("reading the node's own API certificate: %w", err)
	}
	leaf, err := makeCertificate(key, hosts, now)
	if err != nil {
		return nil, err
	}
	text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: leaf.Raw})
	if err := replaceFile(certFile, text, 0o644); err != nil {
		return nil, fmt.Errorf("keeping the node's own API certificate: %w", err)
	}
	return &tls.Certificate{Certificate: [][]byte{leaf.Raw}, PrivateKey: key, Leaf: leaf}, nil
}

// selfMadeKey reads the API key, or makes it at the first start. P-256 is used
// because browsers refuse Ed25519 certificates.
func selfMadeKey(file string) (*ecdsa.PrivateKey, error) {
	text, err := os.ReadFile(file)
	if err == nil {
		block, _ := pem.Decode(text)
		if block == nil {
			return nil, fmt.Errorf("%s holds no PEM block: remove it and a new API key will be made", file)
		}
		key, err := x509.ParseECPrivateKey(block.Bytes)
		if err != nil {
			return nil, fmt.Errorf("reading the API key %s: %w", file, err)
		}
		return key, nil
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("reading the API key: %w", err)
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("making an API key: %w", err)
	}
	der, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		return nil, fmt.Errorf("encoding the API key: %w", err)
	}
	if err := replaceFile(file, pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: der}), 0o600); err != nil {
		return nil, fmt.Errorf("keeping the API key: %w", err)
	}
	return key, nil
}

// stillGood says whether a stored certificate belongs to the key, names every
// host and is not near its end.
func stillGood(text []byte, key *ecdsa.PrivateKey, hosts []string, now time.Time) (*x509.Certificate, bool) {
	block, _ := pem.Decode(text)
	if block == nil {
		return nil, false
	}
	leaf, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		return nil, false
	}
	public, ok := leaf.PublicKey.(*ecdsa.PublicKey)
	if !ok || !public.Equal(&key.PublicKey) {
		return nil, false
	}
	if now.Before(leaf.NotBefore) || now.Add(renewBefore).After(leaf.NotAfter) {
		return nil, false
	}
	for _, host := range hosts {
		if leaf.VerifyHostname(host) != nil {
			return nil, false
		}
	}
	return leaf, true
}

// makeCertificate signs a certificate with its own key. An hour is taken off
// its start so that a client whose clock is a little behind accepts it.
func makeCertificate(key *ecdsa.PrivateKey, hosts []string, now time.Time) (*x509.Certificate, error) {
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120))
	if err != nil {
		return nil, fmt.Errorf("drawing a serial number: %w", err)
	}
	template := &x509.Certificate{
		SerialNumber:          serial,
		Subject:               pkix.Name{CommonName: "tallyvault node API"},
		NotBefore:             now.Add(-time.Hour),
		NotAfter:              now.Add(selfMadeLife),
		KeyUsage:              x509.KeyUsageDigitalSignature,
		ExtKeyUsage:           []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		BasicConstraintsValid: true,
	}
	for _, host := range hosts {
		if ip := net.ParseIP(host); ip != nil {
			template.IPAddresses = append(template.IPAddresses, ip)
		} else {
			template.DNSNames = append(template.DNSNames, host)
		}
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		return nil, fmt.Errorf("making the node's own API certificate: %w", err)
	}
	return x509.ParseCertificate(der)
}

// replaceFile writes a small file so that a crash leaves the old or the new
// content, never a part of it.
func replaceFile(file string, content []byte, mode fs.FileMode) error {
	if old, err := os.ReadFile(file); err == nil && bytes.Equal(old, content) {
		return nil
	}
	temporary, err := os.CreateTemp(filepath.Dir(file), filepath.Base(file)+".new-*")
	if err != nil {
		return err
	}
	defer func() { _ = os.Remove(temporary.Name()) }() // it is gone if all went well
	_, err = temporary.Write(content)
	if err == nil {
		err = temporary.Chmod(mode)
	}
	if err == nil {
		err = temporary.Sync()
	}
	if closing := temporary.Close(); err == nil {
		err = closing
	}
	if err != nil {
		return err
	}
	return os.Rename(temporary.Name(), file)
}
