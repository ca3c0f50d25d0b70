#ifndef PABAL_IPC_PROTO_KEY_H
#define PABAL_IPC_PROTO_KEY_H

#include "common/ipc/channel.h"
#include "common/ipc/wire.h"

/* "key": keyd, which alone has the private keys, signs the handshakes of the edges and
 * tells them certificates and ticket keys; pabal manages what it has. */
enum { PROTO_KEY_MAJOR = 1, PROTO_KEY_MINOR = 0 };
enum { KEY_ID_SIZE = 32 /* SHA-256 of the SubjectPublicKeyInfo, DER */, KEY_TEXT_MAX = 1024 };

/* code: a negative enum err as u32 */
#define KEY_FAIL_FIELDS(X) X##_U32(code) X##_STR(text, 1024)
IPC_MESSAGE(key_fail, 1, KEY_FAIL_FIELDS)
/* name: of the pair that was installed, made or deleted */
#define KEY_OK_FIELDS(X) X##_STR(name, 64)
IPC_MESSAGE(key_ok, 2, KEY_OK_FIELDS)

/* ---- keyd -> edge: events, when the channel opens and at each change; each replaces the one before ---- */
/* chain: certificates in DER one behind the other, the server's own first. names: DNS names of that one's
 * subjectAltName (else its CN), in lower case, "*.example.org" possible. is_default: for clients that send no
 * name or one that nobody has; one for each type of key at most. */
#define KEY_NAME_FIELDS(X) X##_STR(name, 255)
WIRE_DECLARE(key_name, KEY_NAME_FIELDS)
#define KEY_CERT_FIELDS(X) X##_BYTES(key, 32) X##_BYTES(chain, 65536) X##_U8(is_default) X##_LIST(key_name, names, 1000)
WIRE_DECLARE(key_cert, KEY_CERT_FIELDS)
#define KEY_CERTS_FIELDS(X) X##_LIST(key_cert, certs, 1000)
IPC_MESSAGE(key_certs, 10, KEY_CERTS_FIELDS)
/* Session ticket keys (RFC 5077 4) of this edge's role, the same for all its workers and others for every other
 * role; the first makes new tickets, the rest only open old ones. They live in memory only. */
#define KEY_TICKET_FIELDS(X) X##_BYTES(name, 16) X##_SECRET(aes, 32) X##_SECRET(mac, 32)
WIRE_DECLARE(key_ticket, KEY_TICKET_FIELDS)
#define KEY_TICKETS_FIELDS(X) X##_LIST(key_ticket, keys, 3)
IPC_MESSAGE(key_tickets, 11, KEY_TICKETS_FIELDS)

/* ---- edge -> keyd ---- */
/* scheme: TLS SignatureScheme (RFC 8446 4.2.3; rsa_pkcs1_* for TLS 1.2 too). text: what is signed, before hashing;
 * keyd signs nothing but a server's CertificateVerify of TLS 1.3 or ServerKeyExchange of TLS 1.2 with a named
 * curve, so that a broken edge cannot use a key for anything else. -> key_signature, or key_fail: NOTFOUND (no such
 * key any more), DENIED (not such a text, or the scheme does not fit the key). */
#define KEY_SIGN_FIELDS(X) X##_BYTES(key, 32) X##_U16(scheme) X##_BYTES(text, KEY_TEXT_MAX)
IPC_MESSAGE(key_sign, 12, KEY_SIGN_FIELDS)
#define KEY_SIGNATURE_FIELDS(X) X##_BYTES(signature, 1024)
IPC_MESSAGE(key_signature, 13, KEY_SIGNATURE_FIELDS)

/* ---- pabal, on the control socket ---- */
#define KEY_LIST_FIELDS(X) X##_U8(reserved)
IPC_MESSAGE(key_list, 20, KEY_LIST_FIELDS)
/* A file NAME.pem, or a pair NAME.crt and NAME.key. error: what is wrong with it, else empty; with in_use the files
 * have become bad and what they held before serves on. Neither: others serve its names better. Times in seconds since
 * 1970. */
#define KEY_ITEM_FIELDS(X) X##_STR(name, 64) X##_STR(error, 256) X##_LIST(key_name, names, 1000) X##_STR(type, 32) \
	X##_U64(not_before) X##_U64(not_after) X##_STR(issuer, 256) X##_U8(self_signed) X##_U8(in_use) X##_U8(is_default) \
	X##_U8(certificates) X##_BYTES(key, 32) X##_BYTES(fingerprint, 32)
WIRE_DECLARE(key_item, KEY_ITEM_FIELDS)
#define KEY_LIST_REPLY_FIELDS(X) X##_LIST(key_item, items, 1000)
IPC_MESSAGE(key_list_reply, 21, KEY_LIST_REPLY_FIELDS)
/* chain: PEM; the private key's file comes as the descriptor and is read by keyd alone. name empty: made of the
 * certificate's first name. Replaces both at once, after it was checked that they belong together. -> key_ok */
#define KEY_INSTALL_FIELDS(X) X##_STR(name, 64) X##_BYTES(chain, 262144)
IPC_MESSAGE(key_install, 22, KEY_INSTALL_FIELDS)
/* A new key (type "ecdsa", "rsa" or "ed25519") and a certificate that it signs itself for the names. name empty: as
 * above; days 0: ten years. -> key_ok */
#define KEY_SELF_SIGN_FIELDS(X) X##_STR(name, 64) X##_STR(type, 32) X##_LIST(key_name, names, 100) X##_U32(days)
IPC_MESSAGE(key_self_sign, 23, KEY_SELF_SIGN_FIELDS)
#define KEY_DELETE_FIELDS(X) X##_STR(name, 64)
IPC_MESSAGE(key_delete, 24, KEY_DELETE_FIELDS)
/* -> key_chain: the certificates in PEM; a private key never leaves keyd */
#define KEY_EXPORT_FIELDS(X) X##_STR(name, 64)
IPC_MESSAGE(key_export, 25, KEY_EXPORT_FIELDS)
#define KEY_CHAIN_FIELDS(X) X##_BYTES(pem, 524288)
IPC_MESSAGE(key_chain, 26, KEY_CHAIN_FIELDS)

#endif
