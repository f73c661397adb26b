/* The HTTP server over TLS: what it speaks, how its certificate is replaced, what attackers get. */
#include <poll.h>
#include <signal.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "tests/support/http_client.h"
#include "tests/support/http_stand.h"
#include "tests/support/tls_client.h"
#include "tls/tickets.h"
#include "tls/tls.h"

#define GET(path) "GET " path " HTTP/1.1\r\nHost: a\r\n\r\n"

enum { BIG = 4 * 1024 * 1024, SHORT_MS = 300, TRIES = 1000, LOOK_MS = 5 };

struct world {
	struct http_stand stand; /* [0] plain, [1] TLS, [2] PROXY, [3] PROXY, then TLS */
	SSL_CTX *context;
	char certificate[512], key[512];
};

static void copy_file(const char *from, const char *to)
{
	char command[2048], next[600];

	(void)snprintf(next, sizeof(next), "%s.next", to);
	(void)snprintf(command, sizeof(command), "cp '%s' '%s' && mv '%s' '%s'", from, next, next,
	               to);
	assert_int_equal(system(command), 0); /* NOLINT(cert-env33-c): paths of our own */
}

static void use_certificate(const struct world *world, const char *name)
{
	char file[64];

	(void)snprintf(file, sizeof(file), "%s.pem", name);
	copy_file(certificate_path(file), world->certificate);
	(void)snprintf(file, sizeof(file), "%s.key", name);
	copy_file(certificate_path(file), world->key);
}

static void start(struct world *world, struct http_options options)
{
	struct err err;

	(void)snprintf(world->certificate, sizeof(world->certificate), "%s",
	               certificate_path("used.pem"));
	(void)snprintf(world->key, sizeof(world->key), "%s", certificate_path("used.key"));
	use_certificate(world, "server");
	options.listen =
		"127.0.0.1:0, tls://127.0.0.1:0, proxy://127.0.0.1:0, proxy+tls://127.0.0.1:0";
	options.tls = tls_server_new(world->certificate, world->key, &err);
	assert_non_null(options.tls);
	world->stand = http_stand_start(&options, 0);
	tls_server_free(options.tls);
	world->context = tls_client_context();
}

static void stop(struct world *world)
{
	SSL_CTX_free(world->context);
	http_stand_stop(&world->stand);
}

static struct tls_client open_tls(const struct world *world)
{
	return tls_client_open(world->context, world->stand.ports[1]);
}

static void expect_no_handshake(const struct world *world, SSL_CTX *context)
{
	struct tls_client client = tls_client_on(context, client_open(world->stand.ports[1]).fd);

	assert_int_not_equal(SSL_do_handshake(client.ssl), 1);
	tls_client_close(&client);
	SSL_CTX_free(context);
}

/* ---- what is spoken ---- */

static void requests_go_over_tls_and_plain_at_once(void **state)
{
	struct world world;
	struct client plain;
	struct tls_client client;

	(void)state;
	start(&world, (struct http_options){ .max_connections = 100 });
	client = open_tls(&world);
	plain = client_open(world.stand.port);
	assert_string_equal(SSL_get_version(client.ssl), "TLSv1.3");
	for (int i = 0; i < 50; i++) {
		tls_client_expect(&client, GET("/hello"), "\r\n\r\nhello");
		client_expect(&plain, GET("/hello"), 200);
		tls_client_expect(&client, GET("/nowhere"), "not-found");
	}
	tls_client_expect(&client, GET("/hello") GET("/items/1") GET("/items/last"), "last");
	client_close(&plain);
	tls_client_close(&client);
	stop(&world);
}

static void bodies_come_and_go_whole(void **state)
{
	static char body[65536];
	struct world world;
	struct tls_client client;

	(void)state;
	start(&world, (struct http_options){ .listen = NULL });
	client = open_tls(&world);
	memset(body, 'b', sizeof(body) - 1);
	tls_client_say(&client, "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 65536\r\n"
	                        "Expect: 100-continue\r\n\r\n");
	tls_client_until(&client, "100 Continue\r\n\r\n");
	buf_reset(&client.in);
	tls_client_say(&client, body);
	for (const char *end = "E"; *end != '\0'; end++) {
		tls_client_expect(&client, end, "E");
	}
	for (const char *at = GET("/hello"); *at != '\0'; at++) {
		assert_int_equal(SSL_write(client.ssl, at, 1), 1);
	}
	tls_client_expect(&client, "", "\r\n\r\nhello");
	tls_client_say(&client, GET("/big?n=4194304"));
	while (client.in.len < BIG) {
		assert_true(tls_client_more(&client));
	}
	tls_client_until(&client, "xxx");
	tls_client_close(&client);
	stop(&world);
}

static void only_http_1_1_is_agreed_on(void **state)
{
	static const unsigned char both[] = "\x02h2\x08http/1.1", h2[] = "\x02h2";
	struct world world;
	struct tls_client client;
	const unsigned char *chosen;
	unsigned size;
	SSL_CTX *only;

	(void)state;
	start(&world, (struct http_options){ .listen = NULL });
	(void)SSL_CTX_set_alpn_protos(world.context, both, sizeof(both) - 1);
	client = open_tls(&world);
	SSL_get0_alpn_selected(client.ssl, &chosen, &size);
	assert_true(str_eq(str_make((const char *)chosen, size), STR_LIT("http/1.1")));
	tls_client_close(&client);
	only = tls_client_context();
	(void)SSL_CTX_set_alpn_protos(only, h2, sizeof(h2) - 1);
	expect_no_handshake(&world, only);
	stop(&world);
}

static void what_is_old_or_weak_is_refused(void **state)
{
	struct world world;
	struct tls_client client;
	SSL_CTX *old;

	(void)state;
	start(&world, (struct http_options){ .listen = NULL });
	old = tls_client_context();
	SSL_CTX_set_security_level(old, 0);
	(void)SSL_CTX_set_max_proto_version(old, TLS1_1_VERSION);
	(void)SSL_CTX_set_min_proto_version(old, TLS1_VERSION);
	expect_no_handshake(&world, old);
	old = tls_client_context();
	(void)SSL_CTX_set_max_proto_version(old, TLS1_2_VERSION);
	assert_int_equal(SSL_CTX_set_cipher_list(old, "ECDHE+AES+SHA:AES256-SHA"), 1);
	expect_no_handshake(&world, old);
	(void)SSL_CTX_set_max_proto_version(world.context, TLS1_2_VERSION);
	client = open_tls(&world);
	assert_string_equal(SSL_get_version(client.ssl), "TLSv1.2");
	tls_client_expect(&client, GET("/hello"), "\r\n\r\nhello");
	tls_client_close(&client);
	stop(&world);
}

static bool is_resumed(const struct world *world, SSL_SESSION *session)
{
	struct tls_client client =
		tls_client_on(world->context, client_open(world->stand.ports[1]).fd);
	bool resumed;

	assert_int_equal(SSL_set_session(client.ssl, session), 1);
	tls_client_expect(&client, GET("/hello"), "\r\n\r\nhello");
	resumed = SSL_session_reused(client.ssl) == 1;
	(void)SSL_shutdown(client.ssl); /* what breaks off is not resumed */
	tls_client_close(&client);
	return resumed;
}

static void tickets_resume_sessions(void **state)
{
	struct world world, other;

	(void)state;
	start(&world, (struct http_options){ .listen = NULL });
	start(&other, (struct http_options){ .listen = NULL });
	for (int version = TLS1_2_VERSION; version <= TLS1_3_VERSION; version++) {
		struct tls_client client;
		SSL_SESSION *session;

		(void)SSL_CTX_set_max_proto_version(world.context, version);
		client = open_tls(&world);
		tls_client_expect(&client, GET("/hello"), "\r\n\r\nhello");
		session = SSL_get1_session(client.ssl);
		(void)SSL_shutdown(client.ssl);
		tls_client_close(&client);
		assert_true(is_resumed(&world, session));
		assert_false(is_resumed(&other, session)); /* it has keys of its own */
		SSL_SESSION_free(session);
	}
	stop(&other);
	stop(&world);
}

/* ---- streams ---- */

static void a_stream_that_is_drained_gets_its_last_word(void **state)
{
	struct world world;
	struct tls_client client;

	(void)state;
	start(&world, (struct http_options){ .listen = NULL });
	client = open_tls(&world);
	tls_client_expect(&client, GET("/stream"), "data: hello\n\n");
	http_stand_drain(&world.stand);
	tls_client_until(&client, "data: bye\n\n");
	assert_false(tls_client_more(&client));
	tls_client_close(&client);
	stop(&world);
}

static void a_stream_goes_both_ways(void **state)
{
	struct world world;
	struct client plain;
	struct tls_client client;

	(void)state;
	start(&world, (struct http_options){ .listen = NULL });
	client = open_tls(&world);
	tls_client_expect(&client, GET("/talk") "first", "first");
	tls_client_expect(&client, "second", "second");
	tls_client_expect(&client, "hush", "hushed");
	for (int i = 0; i < 10; i++) {
		tls_client_say(&client, "one record after the other;");
	}
	plain = client_open(world.stand.port);
	client_expect(&plain, GET("/go-on"), 200);
	client_close(&plain);
	http_stand_await(&world.stand, "heard", 270);
	tls_client_close(&client);
	http_stand_await(&world.stand, "closed", 1);
	stop(&world);
}

/* The reader is slow: the server holds at most a record, and goes on when there is room. */
static void a_slow_reader_gets_all_in_order(void **state)
{
	struct world world;
	struct tls_client client;
	size_t got = 0;

	(void)state;
	start(&world, (struct http_options){ .listen = NULL });
	client = open_tls(&world);
	tls_client_expect(&client, GET("/flood"), "data: hello\n\n");
	http_stand_await(&world.stand, "connections", 2);
	while (got < BIG) {
		assert_true(tls_client_more(&client));
		got += client.in.len;
		buf_reset(&client.in);
	}
	assert_true(http_stand_count(&world.stand, "writable") > 0);
	tls_client_close(&client);
	http_stand_await(&world.stand, "closed", 1);
	stop(&world);
}

/* ---- its certificate ---- */

static void expect_certificate(const struct world *world, const char *name)
{
	for (int i = 0; i < TRIES; i++) {
		struct tls_client client = open_tls(world);
		char subject[64];
		X509 *certificate = SSL_get1_peer_certificate(client.ssl);

		(void)X509_NAME_get_text_by_NID(X509_get_subject_name(certificate), NID_commonName,
		                                subject, sizeof(subject));
		X509_free(certificate);
		tls_client_expect(&client, GET("/hello"), "\r\n\r\nhello");
		tls_client_close(&client);
		if (strcmp(subject, name) == 0) {
			return;
		}
		(void)poll(NULL, 0, LOOK_MS);
	}
	fail_msg("the certificate is not %s", name);
}

static void a_new_certificate_drops_no_stream_and_a_bad_one_is_refused(void **state)
{
	static const char *const bad[] = { "ended", "mixed", "none" };
	struct world world;
	struct tls_client stream;

	(void)state;
	start(&world, (struct http_options){ .listen = NULL });
	stream = open_tls(&world);
	tls_client_expect(&stream, GET("/talk"), "data: hello\n\n");
	expect_certificate(&world, "server");
	use_certificate(&world, "next");
	assert_int_equal(kill(world.stand.pid, SIGHUP), 0);
	expect_certificate(&world, "next");
	copy_file(certificate_path("next.key"), certificate_path("mixed.key"));
	copy_file(certificate_path("server.pem"), certificate_path("mixed.pem"));
	copy_file("/dev/null", certificate_path("none.pem"));
	copy_file("/dev/null", certificate_path("none.key"));
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		use_certificate(&world, bad[i]);
		assert_int_equal(kill(world.stand.pid, SIGHUP), 0);
		tls_client_expect(&stream, "still there", "still there");
		expect_certificate(&world, "next");
	}
	tls_client_close(&stream);
	stop(&world);
}

static void changed_files_are_noticed_once_both_have_settled(void **state)
{
	struct world world = { .context = NULL };
	struct tls_server *tls;
	struct err err;

	(void)state;
	(void)snprintf(world.certificate, sizeof(world.certificate), "%s",
	               certificate_path("look.pem"));
	(void)snprintf(world.key, sizeof(world.key), "%s", certificate_path("look.key"));
	assert_null(tls_server_new(world.certificate, world.key, &err));
	assert_non_null(strstr(err.msg, "tls.certificate"));
	use_certificate(&world, "server");
	tls = tls_server_new(world.certificate, world.key, &err);
	assert_false(tls_server_is_outdated(tls));
	copy_file(certificate_path("next.pem"), world.certificate);
	assert_false(tls_server_is_outdated(tls));
	copy_file(certificate_path("next.key"), world.key);
	assert_false(tls_server_is_outdated(tls));
	assert_true(tls_server_is_outdated(tls));
	assert_int_equal(tls_server_reload(tls, &err), ERR_OK);
	assert_false(tls_server_is_outdated(tls));
	assert_int_equal(chmod(world.key, 0400), 0); /* it may not have been readable */
	assert_false(tls_server_is_outdated(tls));
	assert_true(tls_server_is_outdated(tls));
	tls_server_free(tls);
}

static void a_key_with_a_password_is_refused_and_nobody_is_asked(void **state)
{
	char command[2048];
	int terminal[2], before = dup(STDIN_FILENO);
	struct err err;

	(void)state;
	(void)snprintf(command, sizeof(command),
	               "openssl pkey -in '%s' -aes256 -passout pass:secret -out '%s'",
	               certificate_path("server.key"), certificate_path("locked.key"));
	assert_int_equal(system(command), 0); /* NOLINT(cert-env33-c): paths of our own */
	assert_int_equal(pipe(terminal), 0);
	assert_int_equal(write(terminal[1], "secret\n", 7), 7);
	assert_int_equal(dup2(terminal[0], STDIN_FILENO), STDIN_FILENO);
	(void)snprintf(command, sizeof(command), "%s", certificate_path("server.pem"));
	assert_null(tls_server_new(command, certificate_path("locked.key"), &err));
	assert_non_null(strstr(err.msg, "tls.key"));
	assert_int_equal(dup2(before, STDIN_FILENO), STDIN_FILENO);
	(void)close(before);
	(void)close(terminal[0]);
	(void)close(terminal[1]);
}

/* ---- attacks ---- */

static void nonsense_ends_the_connection(void **state)
{
	static const char *const nonsense[] = {
		"GET / HTTP/1.1\r\nHost: a\r\n\r\n",
		"\x16\x03\x01\xff\xff\x01",
		"\x16\x03\x01\x40\x01",
		"\x17\x03\x03\x01\x10 application data first",
		"SSH-2.0-OpenSSH\r\n",
	};
	struct world world;

	(void)state;
	start(&world, (struct http_options){ .head_timeout_ms = SHORT_MS });
	for (size_t i = 0; i < ARRAY_LEN(nonsense); i++) {
		struct client client = client_open(world.stand.ports[1]);

		client_say(&client, nonsense[i]);
		client_to_end(&client);
		assert_true(client.in.len < 16); /* an alert, or nothing */
		client_close(&client);
	}
	assert_int_equal(http_stand_count(&world.stand, "requests"), 0);
	stop(&world);
}

static void a_slow_handshake_is_cut(void **state)
{
	static const char hello[] = "\x16\x03\x01\x02\x00";
	struct world world;
	struct client silent, slow;
	struct pollfd wait;

	(void)state;
	start(&world, (struct http_options){ .head_timeout_ms = SHORT_MS });
	silent = client_open(world.stand.ports[1]);
	slow = client_open(world.stand.ports[1]);
	client_send(&slow, str_make(hello, sizeof(hello) - 1));
	wait = (struct pollfd){ .fd = slow.fd, .events = POLLIN };
	while (poll(&wait, 1, LOOK_MS) == 0) {
		(void)send(slow.fd, "\x01", 1, MSG_NOSIGNAL);
	}
	client_to_end(&silent);
	http_stand_await(&world.stand, "connections", 1);
	client_close(&silent);
	client_close(&slow);
	stop(&world);
}

static void a_renegotiation_is_refused(void **state)
{
	struct world world;
	struct tls_client client;
	char byte;

	(void)state;
	start(&world, (struct http_options){ .listen = NULL });
	(void)SSL_CTX_set_max_proto_version(world.context, TLS1_2_VERSION);
	client = open_tls(&world);
	tls_client_expect(&client, GET("/hello"), "\r\n\r\nhello");
	assert_int_equal(SSL_renegotiate(client.ssl), 1);
	assert_int_not_equal(SSL_do_handshake(client.ssl), 1);
	assert_true(SSL_read(client.ssl, &byte, 1) <= 0);
	tls_client_close(&client);
	http_stand_await(&world.stand, "connections", 1);
	stop(&world);
}

static void shake_hands(SSL *client, struct tls_stream *server)
{
	char byte;

	while (!tls_stream_is_open(server) || !SSL_is_init_finished(client)) {
		(void)SSL_do_handshake(client);
		assert_int_equal(tls_read(server, &byte, 1), -1);
		assert_int_equal(errno, EAGAIN);
	}
}

/* Each key update asks for an answer that is never read: there is a bound on what is kept. */
static void answers_that_nobody_reads_are_bounded(void **state)
{
	SSL_CTX *context = tls_client_context();
	struct err err;
	struct tls_server *tls = tls_server_new(certificate_path("server.pem"),
	                                        certificate_path("server.key"), &err);
	struct tls_client client;
	struct tls_stream *server;
	int fds[2];
	char byte;

	(void)state;
	assert_non_null(tls);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
	client = tls_client_on(context, fds[0]);
	server = tls_accept(tls, fds[1]);
	shake_hands(client.ssl, server);
	do {
		errno = 0;
		(void)SSL_key_update(client.ssl, SSL_KEY_UPDATE_REQUESTED);
		(void)SSL_do_handshake(client.ssl);
	} while (tls_read(server, &byte, 1) == -1 && errno == EAGAIN);
	assert_int_equal(errno, EPROTO);
	tls_stream_free(server);
	tls_server_free(tls);
	tls_client_close(&client);
	(void)close(fds[1]);
	SSL_CTX_free(context);
}

/* ---- tickets ---- */

static void a_ticket_key_seals_then_opens_then_is_gone(void **state)
{
	enum { BEGIN = 1000 };
	struct tls_tickets tickets = { .now = { .until_s = 0 } };
	struct tls_ticket_key first = *tls_tickets_seal(&tickets, BEGIN), second;

	(void)state;
	assert_memory_equal(tls_tickets_seal(&tickets, BEGIN + TLS_TICKET_LIFE_S - 1), &first,
	                    sizeof(first));
	second = *tls_tickets_seal(&tickets, BEGIN + TLS_TICKET_LIFE_S);
	assert_memory_not_equal(second.cipher, first.cipher, sizeof(first.cipher));
	assert_non_null(tls_tickets_open(&tickets, first.name, BEGIN + 2 * TLS_TICKET_LIFE_S - 1));
	assert_null(tls_tickets_open(&tickets, first.name, BEGIN + 2 * TLS_TICKET_LIFE_S));
	assert_non_null(tls_tickets_open(&tickets, second.name, BEGIN + 2 * TLS_TICKET_LIFE_S));
	assert_null(tls_tickets_open(&tickets, second.name, BEGIN + 9 * TLS_TICKET_LIFE_S));
	assert_int_equal(tickets.before.until_s, 0);
}

static void a_peer_that_vanishes_in_the_middle_leaves_nothing(void **state)
{
	struct world world;

	(void)state;
	start(&world, (struct http_options){ .listen = NULL });
	for (int i = 0; i < 20; i++) {
		struct linger now = { .l_onoff = 1, .l_linger = 0 };
		struct tls_client client =
			tls_client_on(world.context, client_open(world.stand.ports[1]).fd);

		if (i % 4 > 0) {
			tls_client_say(&client, i % 4 == 1 ? GET("/stream") : "GET / HT");
		}
		if (i % 2 == 0) {
			(void)setsockopt(client.fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
		}
		tls_client_close(&client);
	}
	http_stand_await(&world.stand, "connections", 1);
	stop(&world);
}

/* ---- PROXY headers ---- */

#define PROXY "PROXY TCP4 192.0.2.7 10.0.0.1 12345 443\r\n"

static const struct http_options trusting = { .trusted_proxies = "127.0.0.1" };

static void a_proxy_tells_whose_connection_it_is(void **state)
{
	static const char bytes[] = PROXY GET("/self");
	static const char own[] = "\r\n\r\n\0\r\nQUIT\n\x20\0\0\0" GET("/self");
	struct world world;
	struct client client;
	struct tls_client over;

	(void)state;
	start(&world, trusting);
	client = client_open(world.stand.ports[2]);
	for (size_t i = 0; i < sizeof(bytes) - 1; i++) {
		client_send(&client, str_make(bytes + i, 1));
	}
	client_until(&client, "192.0.2.7 ");
	client_close(&client);
	client = client_open(world.stand.ports[2]);
	client_send(&client, str_make(own, sizeof(own) - 1));
	client_until(&client, "127.0.0.1 ");
	client_close(&client);
	client = client_open(world.stand.ports[3]);
	client_say(&client, PROXY);
	over = tls_client_on(world.context, client.fd);
	tls_client_expect(&over, GET("/self"), "192.0.2.7 ");
	tls_client_close(&over);
	stop(&world);
}

static void nobody_else_may_tell_it(void **state)
{
	static const char *const bad[] = { GET("/hello"), "PROXY TCP4 a b c d\r\n" GET("/hello") };
	struct http_options one = trusting;
	struct world world;
	struct client client, second;

	(void)state;
	start(&world, (struct http_options){ .trusted_proxies = "192.0.2.1" });
	client = client_open(world.stand.ports[2]);
	client_expect_end(&client);
	client_close(&client);
	stop(&world);
	one.address_connections = 1;
	start(&world, one);
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		client = client_open(world.stand.ports[2]);
		client_say(&client, bad[i]);
		(void)shutdown(client.fd, SHUT_WR);
		while (recv(client.fd, (char[1]){ 0 }, 1, 0) > 0) {
			fail_msg("an answer");
		}
		client_close(&client);
	}
	client = client_open(world.stand.ports[2]);
	client_expect(&client, PROXY GET("/hello"), 200);
	second = client_open(world.stand.ports[2]);
	client_say(&second, PROXY);
	client_expect_end(&second); /* one of that address is enough */
	client_close(&second);
	client_close(&client);
	http_stand_await(&world.stand, "connections", 1);
	stop(&world);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(requests_go_over_tls_and_plain_at_once),
		cmocka_unit_test(bodies_come_and_go_whole),
		cmocka_unit_test(only_http_1_1_is_agreed_on),
		cmocka_unit_test(what_is_old_or_weak_is_refused),
		cmocka_unit_test(tickets_resume_sessions),
		cmocka_unit_test(a_stream_that_is_drained_gets_its_last_word),
		cmocka_unit_test(a_stream_goes_both_ways),
		cmocka_unit_test(a_slow_reader_gets_all_in_order),
		cmocka_unit_test(a_new_certificate_drops_no_stream_and_a_bad_one_is_refused),
		cmocka_unit_test(a_key_with_a_password_is_refused_and_nobody_is_asked),
		cmocka_unit_test(changed_files_are_noticed_once_both_have_settled),
		cmocka_unit_test(nonsense_ends_the_connection),
		cmocka_unit_test(a_slow_handshake_is_cut),
		cmocka_unit_test(a_renegotiation_is_refused),
		cmocka_unit_test(answers_that_nobody_reads_are_bounded),
		cmocka_unit_test(a_peer_that_vanishes_in_the_middle_leaves_nothing),
		cmocka_unit_test(a_ticket_key_seals_then_opens_then_is_gone),
		cmocka_unit_test(a_proxy_tells_whose_connection_it_is),
		cmocka_unit_test(nobody_else_may_tell_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
