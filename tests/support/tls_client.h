/* A blocking TLS client for tests, by OpenSSL, that checks the server's name against ca.pem of
 * TEST_TLS_DIR; never waiting longer than 10 s. */
#pragma once

#include <openssl/err.h>
#include <openssl/ssl.h>

#include "tests/support/http_client.h"

struct tls_client {
	int fd;
	SSL *ssl;
	struct buf in;
};

static inline const char *certificate_path(const char *name)
{
	static char paths[4][512];
	static unsigned turn;
	char *path = paths[turn++ % ARRAY_LEN(paths)];

	(void)snprintf(path, sizeof(paths[0]), "%s/%s", getenv("TEST_TLS_DIR"), name);
	return path;
}

static inline SSL_CTX *tls_client_context(void)
{
	SSL_CTX *ssl = SSL_CTX_new(TLS_client_method());

	assert_non_null(ssl);
	assert_int_equal(SSL_CTX_load_verify_locations(ssl, certificate_path("ca.pem"), NULL), 1);
	SSL_CTX_set_verify(ssl, SSL_VERIFY_PEER, NULL);
	return ssl;
}

/* On a connection that is there; the handshake is begun by whoever uses it. */
static inline struct tls_client tls_client_on(SSL_CTX *context, int fd)
{
	struct timeval wait = { .tv_sec = CLIENT_WAIT_MS / 1000 };
	struct tls_client client = { .fd = fd, .ssl = SSL_new(context) };

	(void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof(wait));
	assert_non_null(client.ssl);
	assert_int_equal(SSL_set1_host(client.ssl, "localhost"), 1);
	assert_int_equal(SSL_set_fd(client.ssl, fd), 1);
	SSL_set_connect_state(client.ssl);
	buf_init(&client.in, SIZE_MAX / 2);
	return client;
}

static inline struct tls_client tls_client_open(SSL_CTX *context, unsigned port)
{
	struct tls_client client = tls_client_on(context, client_open(port).fd);

	if (SSL_do_handshake(client.ssl) != 1) {
		ERR_print_errors_fp(stdout);
		fail_msg("no handshake");
	}
	return client;
}

static inline void tls_client_close(struct tls_client *client)
{
	SSL_free(client->ssl);
	(void)close(client->fd);
	buf_fini(&client->in);
}

static inline void tls_client_say(struct tls_client *client, const char *text)
{
	assert_int_equal(SSL_write(client->ssl, text, (int)strlen(text)), strlen(text));
}

/* False: the server has ended, and has said so. */
static inline bool tls_client_more(struct tls_client *client)
{
	char *room = buf_reserve(&client->in, 65536);
	int n = SSL_read(client->ssl, room, 65536);

	if (n <= 0) {
		assert_int_equal(SSL_get_error(client->ssl, n), SSL_ERROR_ZERO_RETURN);
		return false;
	}
	buf_commit(&client->in, (size_t)n);
	return true;
}

static inline void tls_client_until(struct tls_client *client, const char *text)
{
	while (strstr(buf_cstr(&client->in), text) == NULL) {
		assert_true(tls_client_more(client));
	}
}

static inline void tls_client_expect(struct tls_client *client, const char *say, const char *answer)
{
	tls_client_say(client, say);
	tls_client_until(client, answer);
	buf_reset(&client->in);
}
