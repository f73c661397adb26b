#include "tls/context.h"

#include <assert.h>
#include <openssl/err.h>
#include <stdlib.h>

#include "base/mem.h"

/* Of 1.2: those with forward secrecy and AEAD. 1.3 has no others. */
static const char ciphers[] = "ECDHE+AESGCM:ECDHE+CHACHA20";
/* Not const: OpenSSL's macro takes that away, as in client.c. */
static char groups[] = "X25519:P-256:P-384";

/* Keys are read without asking anybody: OpenSSL would stop and read a password from the terminal.
 */
static int no_password(char *room, int size, int writing, void *arg)
{
	(void)room;
	(void)size;
	(void)writing;
	(void)arg;
	return -1;
}

SSL_CTX *tls_profile_new(const SSL_METHOD *method)
{
	SSL_CTX *ssl = SSL_CTX_new(method);
	int set;

	assert(ssl != NULL);
	set = SSL_CTX_set_min_proto_version(ssl, TLS1_2_VERSION) == 1 &&
	      SSL_CTX_set_cipher_list(ssl, ciphers) == 1 &&
	      SSL_CTX_set1_groups_list(ssl, groups) == 1;
	assert(set);
	/* HTTP and RESP say themselves how long a message is: a missing close_notify hides nothing.
	 */
	(void)SSL_CTX_set_options(ssl, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION |
	                                       SSL_OP_IGNORE_UNEXPECTED_EOF);
	(void)SSL_CTX_set_mode(ssl, SSL_MODE_RELEASE_BUFFERS);
	SSL_CTX_set_read_ahead(ssl, 1);
	SSL_CTX_set_default_passwd_cb(ssl, no_password);
	return ssl;
}

enum err_code tls_error(struct err *err, enum err_code code, const char *what)
{
	unsigned long error = ERR_get_error();
	const char *reason = ERR_reason_error_string(error);

	if (ERR_SYSTEM_ERROR(error)) {
		reason = strerror(ERR_GET_REASON(error));
	}
	ERR_clear_error();
	return err_set(err, code, "%s: %s", what, reason != NULL ? reason : "failed");
}

void tls_context_fini(struct tls_context *context)
{
	SSL_CTX_free(context->ssl);
	BIO_meth_free(context->carrier);
	free(context->room);
}
