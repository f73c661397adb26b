#include <arpa/inet.h>
#include <assert.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <stdlib.h>

#include "base/mem.h"
#include "tls/context.h"
#include "tls/tls.h"

struct tls_client {
	struct tls_context context;
};

static enum err_code load(SSL_CTX *ssl, const struct tls_client_options *options, struct err *err)
{
	ERR_clear_error();
	if (options->ca == NULL) {
		(void)SSL_CTX_set_default_verify_paths(ssl);
	} else if (SSL_CTX_load_verify_file(ssl, options->ca) != 1) {
		return tls_error(err, ERR_INVALID, options->ca);
	}
	if (options->certificate == NULL) {
		return ERR_OK;
	}
	if (SSL_CTX_use_certificate_chain_file(ssl, options->certificate) != 1) {
		return tls_error(err, ERR_INVALID, options->certificate);
	}
	if (SSL_CTX_use_PrivateKey_file(ssl, options->key, SSL_FILETYPE_PEM) != 1) {
		return tls_error(err, ERR_INVALID, options->key);
	}
	return ERR_OK;
}

struct tls_client *tls_client_new(const struct tls_client_options *options, struct err *err)
{
	struct tls_client *client = mem_calloc(1, sizeof(*client));

	tls_context_init(&client->context);
	client->context.ssl = tls_profile_new(TLS_client_method());
	SSL_CTX_set_verify(client->context.ssl, SSL_VERIFY_PEER, NULL);
	if (load(client->context.ssl, options, err) != ERR_OK) {
		tls_client_free(client);
		return NULL;
	}
	return client;
}

void tls_client_free(struct tls_client *client)
{
	if (client != NULL) {
		tls_context_fini(&client->context);
		free(client);
	}
}

static bool is_address(const char *name)
{
	struct in6_addr raw;

	return inet_pton(AF_INET, name, &raw) == 1 || inet_pton(AF_INET6, name, &raw) == 1;
}

struct tls_stream *tls_connect(struct tls_client *client, int fd, const char *name)
{
	struct tls_stream *stream = tls_stream_new(&client->context, fd);
	SSL *ssl = tls_stream_ssl(stream);
	int set;

	if (is_address(name)) {
		set = X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), name);
	} else {
		char *asked = mem_strdup(name);

		SSL_set_hostflags(ssl, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
		set = SSL_set1_host(ssl, asked) == 1 && SSL_set_tlsext_host_name(ssl, asked) == 1;
		free(asked);
	}
	assert(set == 1); /* else any certificate would do */
	SSL_set_connect_state(ssl);
	return stream;
}
