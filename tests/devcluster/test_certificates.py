"""Certificates that strict clients accept: Python 3.13's default context checks RFC 5280."""

from __future__ import annotations

import socket
import ssl
import stat
import threading
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from devcluster.certificates import CertificateAuthority, KeyPair, service_account_keys


@pytest.fixture
def authority(tmp_path: Path) -> CertificateAuthority:
    return CertificateAuthority(tmp_path / "pki")


def read(pair: KeyPair) -> x509.Certificate:
    return x509.load_pem_x509_certificate(pair.certificate.read_bytes())


def test_the_authority_may_sign_and_says_so(authority: CertificateAuthority) -> None:
    certificate = read(authority.pair)
    basic = certificate.extensions.get_extension_for_class(x509.BasicConstraints)
    usage = certificate.extensions.get_extension_for_class(x509.KeyUsage)
    assert (basic.critical, basic.value.ca) == (True, True)
    assert (usage.critical, usage.value.key_cert_sign, usage.value.crl_sign) == (True, True, True)
    assert certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier)


def test_a_leaf_names_its_authority_and_its_purpose(authority: CertificateAuthority) -> None:
    leaf = read(authority.serving("server", ["127.0.0.1", "localhost"]))
    leaf.verify_directly_issued_by(read(authority.pair))
    extensions = leaf.extensions
    issuer = extensions.get_extension_for_class(x509.AuthorityKeyIdentifier).value
    subject = read(authority.pair).extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    assert issuer.key_identifier == subject.digest
    assert not extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    assert list(extensions.get_extension_for_class(x509.ExtendedKeyUsage).value) == [
        ExtendedKeyUsageOID.SERVER_AUTH
    ]
    names = extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["localhost"]
    assert [str(each) for each in names.get_values_for_type(x509.IPAddress)] == ["127.0.0.1"]


def test_a_client_is_its_user_and_groups(authority: CertificateAuthority) -> None:
    subject = read(authority.client("admin", "admin", ["system:masters", "b"])).subject
    assert [each.value for each in subject.get_attributes_for_oid(NameOID.COMMON_NAME)] == ["admin"]
    groups = [each.value for each in subject.get_attributes_for_oid(NameOID.ORGANIZATION_NAME)]
    assert groups == ["system:masters", "b"]


def test_nobody_else_can_read_private_keys(authority: CertificateAuthority, tmp_path: Path) -> None:
    pairs = [authority.pair, authority.client("a", "a"), service_account_keys(tmp_path)]
    assert {stat.S_IMODE(pair.key.stat().st_mode) for pair in pairs} == {0o600}


def test_a_strict_client_completes_a_handshake(authority: CertificateAuthority) -> None:
    pair = authority.serving("server", ["127.0.0.1"])
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(pair.certificate, pair.key)
    client = ssl.create_default_context(cafile=str(authority.pair.certificate))
    client.verify_flags |= ssl.VERIFY_X509_STRICT  # Python 3.13's default
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=answer_once, args=(listener, server))
        thread.start()
        with (
            socket.create_connection(listener.getsockname()) as plain,
            client.wrap_socket(plain, server_hostname="127.0.0.1") as connection,
        ):
            assert connection.recv(2) == b"ok"
        thread.join()


def answer_once(listener: socket.socket, context: ssl.SSLContext) -> None:
    plain, _ = listener.accept()
    with context.wrap_socket(plain, server_side=True) as connection:
        connection.sendall(b"ok")
