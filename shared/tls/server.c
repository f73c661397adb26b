#include <assert.h>
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <openssl/x509.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/mem.h"
#include "tls/context.h"
#include "tls/tickets.h"
#include "tls/tls.h"

/* What tells one version of a file from the next, and one that may be read by now from one that
 * might not. */
struct look {
	dev_t device;
	ino_t inode;
	off_t size;
	struct timespec changed;
};

struct tls_server {
	struct tls_context context;
	struct tls_tickets tickets;
	char *certificate, *key;
	int64_t ends_s;
	struct look read[2], seen[2]; /* of both files: when read, and at the last look */
};

/* ---- session tickets ---- */

static int64_t now_s(void)
{
	return clock_wall_us() / 1000000;
}

static int set_keys(const struct tls_ticket_key *key, EVP_CIPHER_CTX *cipher, EVP_MAC_CTX *mac,
                    const unsigned char *iv, int seal)
{
	unsigned char copy[TLS_TICKET_KEY];
	char digest[] = "SHA256";
	OSSL_PARAM params[3];

	memcpy(copy, key->mac, sizeof(copy));
	params[0] = OSSL_PARAM_construct_octet_string(OSSL_MAC_PARAM_KEY, copy, sizeof(copy));
	params[1] = OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0);
	params[2] = OSSL_PARAM_construct_end();
	return EVP_CipherInit_ex(cipher, EVP_aes_256_cbc(), NULL, key->cipher, iv, seal) == 1 &&
	       EVP_MAC_CTX_set_params(mac, params) == 1;
}

/* 1: go on; 2: and give a newer ticket; 0: shake hands in full; -1: an error. */
static int on_ticket(SSL *ssl, unsigned char *name, unsigned char *iv, EVP_CIPHER_CTX *cipher,
                     EVP_MAC_CTX *mac, int seal)
{
	struct tls_server *server = SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl));
	const struct tls_ticket_key *key;

	if (seal != 0) {
		key = tls_tickets_seal(&server->tickets, now_s());
		memcpy(name, key->name, sizeof(key->name));
		return RAND_bytes(iv, EVP_MAX_IV_LENGTH) == 1 &&
		                       set_keys(key, cipher, mac, iv, seal) != 0
		               ? 1
		               : -1;
	}
	key = tls_tickets_open(&server->tickets, name, now_s());
	if (key == NULL) {
		return 0;
	}
	if (set_keys(key, cipher, mac, iv, seal) == 0) {
		return -1;
	}
	return key == &server->tickets.now ? 1 : 2;
}

/* ---- ALPN (RFC 7301) ---- */

static int on_alpn(SSL *ssl, const unsigned char **out, unsigned char *out_size,
                   const unsigned char *in, unsigned in_size, void *arg)
{
	static const unsigned char ours[] = "\x08http/1.1";
	unsigned char *chosen;

	(void)ssl;
	(void)arg;
	if (SSL_select_next_proto(&chosen, out_size, ours, sizeof(ours) - 1, in, in_size) !=
	    OPENSSL_NPN_NEGOTIATED) {
		return SSL_TLSEXT_ERR_ALERT_FATAL;
	}
	*out = chosen;
	return SSL_TLSEXT_ERR_OK;
}

/* ---- its files ---- */

static struct look look_at(const char *path)
{
	struct stat st;

	if (stat(path, &st) != 0) {
		return (struct look){ .inode = 0 };
	}
	return (struct look){ st.st_dev, st.st_ino, st.st_size, st.st_ctim };
}

static bool is_same(const struct look *a, const struct look *b)
{
	return a->device == b->device && a->inode == b->inode && a->size == b->size &&
	       a->changed.tv_sec == b->changed.tv_sec && a->changed.tv_nsec == b->changed.tv_nsec;
}

static int64_t end_of(SSL_CTX *ssl)
{
	struct tm tm = { .tm_year = 0 };

	return ASN1_TIME_to_tm(X509_get0_notAfter(SSL_CTX_get0_certificate(ssl)), &tm) == 1
	               ? (int64_t)timegm(&tm)
	               : 0;
}

static enum err_code read_files(struct tls_server *server, SSL_CTX *ssl, struct err *err)
{
	server->read[0] = server->seen[0] = look_at(server->certificate);
	server->read[1] = server->seen[1] = look_at(server->key);
	ERR_clear_error();
	if (SSL_CTX_use_certificate_chain_file(ssl, server->certificate) != 1) {
		(void)tls_error(err, ERR_INVALID, server->certificate);
		return err_wrap(err, "tls.certificate");
	}
	if (SSL_CTX_use_PrivateKey_file(ssl, server->key, SSL_FILETYPE_PEM) != 1) {
		(void)tls_error(err, ERR_INVALID, server->key);
		return err_wrap(err, "tls.key");
	}
	return ERR_OK;
}

static SSL_CTX *load(struct tls_server *server, struct err *err)
{
	static const unsigned char name[] = "fairlead";
	SSL_CTX *ssl = tls_profile_new(TLS_server_method());

	if (read_files(server, ssl, err) != ERR_OK) {
		SSL_CTX_free(ssl);
		return NULL;
	}
	(void)SSL_CTX_set_options(ssl, SSL_OP_PRIORITIZE_CHACHA | SSL_OP_CIPHER_SERVER_PREFERENCE);
	(void)SSL_CTX_set_session_cache_mode(ssl, SSL_SESS_CACHE_OFF);
	(void)SSL_CTX_set_session_id_context(ssl, name, sizeof(name) - 1);
	(void)SSL_CTX_set_timeout(ssl, TLS_TICKET_LIFE_S);
	(void)SSL_CTX_set_num_tickets(ssl, 1);
	(void)SSL_CTX_set_tlsext_ticket_key_evp_cb(ssl, on_ticket);
	(void)SSL_CTX_set_app_data(ssl, server);
	SSL_CTX_set_alpn_select_cb(ssl, on_alpn, NULL);
	return ssl;
}

/* ---- life ---- */

struct tls_server *tls_server_new(const char *certificate, const char *key, struct err *err)
{
	struct tls_server *server = mem_calloc(1, sizeof(*server));

	tls_context_init(&server->context);
	server->certificate = mem_strdup(certificate);
	server->key = mem_strdup(key);
	server->context.ssl = load(server, err);
	if (server->context.ssl == NULL) {
		tls_server_free(server);
		return NULL;
	}
	server->ends_s = end_of(server->context.ssl);
	return server;
}

void tls_server_free(struct tls_server *server)
{
	if (server == NULL) {
		return;
	}
	tls_context_fini(&server->context);
	explicit_bzero(&server->tickets, sizeof(server->tickets));
	free(server->certificate);
	free(server->key);
	free(server);
}

enum err_code tls_server_reload(struct tls_server *server, struct err *err)
{
	SSL_CTX *ssl = load(server, err);

	if (ssl == NULL) {
		return err->code;
	}
	if (end_of(ssl) <= now_s()) {
		SSL_CTX_free(ssl);
		return err_set(err, ERR_INVALID, "tls.certificate: %s has ended",
		               server->certificate);
	}
	SSL_CTX_free(server->context.ssl); /* open streams hold it */
	server->context.ssl = ssl;
	server->ends_s = end_of(ssl);
	return ERR_OK;
}

bool tls_server_is_outdated(struct tls_server *server)
{
	struct look now[2] = { look_at(server->certificate), look_at(server->key) };
	bool settled = is_same(&now[0], &server->seen[0]) && is_same(&now[1], &server->seen[1]);

	memcpy(server->seen, now, sizeof(now));
	return settled &&
	       !(is_same(&now[0], &server->read[0]) && is_same(&now[1], &server->read[1]));
}

int64_t tls_server_ends_s(const struct tls_server *server)
{
	return server->ends_s;
}

struct tls_stream *tls_accept(struct tls_server *server, int fd)
{
	struct tls_stream *stream = tls_stream_new(&server->context, fd);

	SSL_set_accept_state(tls_stream_ssl(stream));
	return stream;
}
