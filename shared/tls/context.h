/* What servers and clients have in common. For this folder. */
#pragma once

#include <openssl/ssl.h>

#include "base/err.h"

enum { TLS_RECORD_MAX = 16 * 1024 };

struct tls_context {
	SSL_CTX *ssl;
	BIO_METHOD *carrier; /* between a stream's records and its socket */
	char *room;          /* TLS_RECORD_MAX: small parts become one record here */
};

/* With our profile. */
SSL_CTX *tls_profile_new(const SSL_METHOD *method);
/* *err becomes what OpenSSL says; its queue is empty then. */
enum err_code tls_error(struct err *err, enum err_code code, const char *what);

/* Without its SSL_CTX. */
void tls_context_init(struct tls_context *context);
void tls_context_fini(struct tls_context *context);

struct tls_stream *tls_stream_new(struct tls_context *context, int fd);
SSL *tls_stream_ssl(struct tls_stream *stream);
