"""MLLP over TLS: nothing in the clear; where senders must show a certificate, nobody without."""

import asyncio
import contextlib
import datetime
import ipaddress
import ssl
import time

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from feature_store.clock import DAY
from feature_store.errors import BadInput
from feature_store.hl7.mllp import BEGIN, END, Limits, Listener, tls_context
from homeward.shell import run

NOW = 20_500 * DAY


def certify(folder, name, issuer=None):
    """Write NAME.pem and NAME.key; with an issuer (certificate, key) signed by it."""
    key = ec.generate_private_key(ec.SECP256R1())
    called = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.datetime.fromtimestamp(time.time(), datetime.UTC)
    address = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
    certificate = (
        x509.CertificateBuilder()
        .subject_name(called)
        .issuer_name(issuer[0].subject if issuer else called)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=issuer is None, path_length=None), critical=True)
        .add_extension(x509.SubjectAlternativeName([address]), critical=False)
        .sign(issuer[1] if issuer else key, hashes.SHA256())
    )
    (folder / f"{name}.pem").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    (folder / f"{name}.key").write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return certificate, key


@pytest.fixture(scope="module")
def papers(tmp_path_factory):
    """An authority, a listener and a sender of it, and a sender of nobody's."""
    folder = tmp_path_factory.mktemp("papers")
    authority = certify(folder, "authority")
    for name in ("listener", "sender"):
        certify(folder, name, authority)
    certify(folder, "stranger")
    return folder


def sender(papers, name=None):
    """Settings of a sender that trusts the authority and shows a certificate, or none."""
    context = ssl.create_default_context(cafile=papers / "authority.pem")
    if name:
        context.load_cert_chain(papers / f"{name}.pem", papers / f"{name}.key")
    return context


def exchange(answer, tls, talk):
    """Run a listener under TLS and a conversation with it."""
    listener = Listener(answer, Limits(idle_seconds=5, handshake_seconds=2), tls=tls)

    async def both():
        stop, opened = asyncio.Event(), asyncio.get_running_loop().create_future()
        serving = asyncio.create_task(
            listener.serve("127.0.0.1", 0, stop=stop, told=opened.set_result)
        )
        try:
            return await talk(await opened)
        finally:
            stop.set()
            await serving

    return asyncio.run(both())


async def ask(port, raw, context):
    """Send one message; the acknowledgement, or nothing where the other side hangs up."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context)
    try:
        writer.write(BEGIN + raw + END)
        await writer.drain()
        return await asyncio.wait_for(reader.read(4096), 5)
    finally:
        writer.close()


def test_a_message_is_taken_and_acknowledged_under_tls(one_ward, make_adt, papers):
    tls = tls_context(papers / "listener.pem", papers / "listener.key")
    raw = make_adt("A01", NOW, number="M1", ward="A")
    told = exchange(one_ward.receive, tls, lambda port: ask(port, raw, sender(papers)))
    assert b"MSA|AA|M1" in told
    assert "WARD//A" in one_ward.codes()


def test_what_comes_in_the_clear_is_not_read(one_ward, make_adt, papers):
    tls = tls_context(papers / "listener.pem", papers / "listener.key")
    raw = make_adt("A01", NOW, number="M1", ward="A")
    told = exchange(one_ward.receive, tls, lambda port: ask(port, raw, None))
    assert b"MSA" not in told
    assert one_ward.codes() == []


@pytest.mark.parametrize("name", [None, "stranger"])
def test_a_sender_without_a_certificate_of_the_authority_is_turned_away(
    one_ward, make_adt, papers, name
):
    tls = tls_context(papers / "listener.pem", papers / "listener.key", papers / "authority.pem")
    raw = make_adt("A01", NOW, number="M1", ward="A")

    async def talk(port):
        told = b""
        with contextlib.suppress(ssl.SSLError, ConnectionError):
            told = await ask(port, raw, sender(papers, name))
        return told, one_ward.codes(), await ask(port, raw, sender(papers, "sender"))

    turned_away, kept, taken = exchange(one_ward.receive, tls, talk)
    assert (turned_away, kept) == (b"", [])
    assert b"MSA|AA|M1" in taken


def test_old_tls_is_refused(papers):
    tls = tls_context(papers / "listener.pem", papers / "listener.key")
    assert tls.minimum_version is ssl.TLSVersion.TLSv1_2


def test_files_that_do_not_fit_are_named_without_their_content(papers, tmp_path):
    with pytest.raises(BadInput, match=r"sender\.key: a certificate and its key in PEM"):
        tls_context(papers / "listener.pem", papers / "sender.key")
    (tmp_path / "no.pem").write_text("nothing")
    with pytest.raises(BadInput, match=r"--client-ca no\.pem: PEM expected"):
        tls_context(papers / "listener.pem", papers / "listener.key", tmp_path / "no.pem")


def test_half_of_the_options_is_bad_usage(papers, capsys):
    assert run(["listen", "--port", "0", "--tls-cert", str(papers / "listener.pem")]) == 2
    assert "--tls-cert and --tls-key together expected" in capsys.readouterr().err
