#include <arpa/inet.h>
#include <netinet/in.h>

#include "base/attr.h"
#include "fetch/address.h"
#include "tests/support/test.h"

static enum fetch_net net_of(const char *text)
{
	union {
		struct sockaddr any;
		struct sockaddr_in v4;
		struct sockaddr_in6 v6;
	} address = { .any.sa_family = AF_UNSPEC };

	if (inet_pton(AF_INET, text, &address.v4.sin_addr) == 1) {
		address.v4.sin_family = AF_INET;
	} else {
		assert_int_equal(inet_pton(AF_INET6, text, &address.v6.sin6_addr), 1);
		address.v6.sin6_family = AF_INET6;
	}
	return fetch_net_of(&address.any);
}

static void loopback_is_this_machine(void **state)
{
	static const char *const here[] = { "127.0.0.1", "127.255.255.254", "::1",
		                            "::ffff:127.0.0.1", "64:ff9b::7f00:1" };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(here); i++) {
		assert_int_equal(net_of(here[i]), FETCH_NET_LOOPBACK);
	}
}

static void what_is_no_strangers_business_is_private(void **state)
{
	static const char *const sites[] = {
		"0.0.0.0",        "0.1.2.3",        "10.0.0.1",        "10.255.255.255",
		"100.64.0.1",     "100.127.0.1",    "172.16.0.1",      "172.31.255.255",
		"192.0.0.8",      "192.0.2.1",      "192.168.1.1",     "198.18.0.1",
		"198.19.255.255", "198.51.100.7",   "203.0.113.9",     "224.0.0.1",
		"239.1.1.1",      "240.0.0.1",      "255.255.255.255", "::",
		"fc00::1",        "fd12:3456::1",   "ff02::1",         "2001:db8::1",
		"2001::1",        "2002:7f00:1::1", "64:ff9b::a00:1",  "::ffff:10.1.2.3",
		"100::1",         "::127.0.0.1",    "2001:1ff::1",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(sites); i++) {
		if (net_of(sites[i]) != FETCH_NET_PRIVATE) {
			fail_msg("%s", sites[i]);
		}
	}
}

static void where_machines_learn_their_credentials_is_known(void **state)
{
	static const char *const links[] = {
		"169.254.169.254", "169.254.0.1",   "100.100.100.200",       "192.0.0.192",
		"fe80::1",         "fd00:ec2::254", "::ffff:169.254.169.254"
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(links); i++) {
		if (net_of(links[i]) != FETCH_NET_LINK) {
			fail_msg("%s", links[i]);
		}
	}
}

static void the_rest_is_public(void **state)
{
	static const char *const open[] = { "1.1.1.1",         "9.255.255.255", "11.0.0.0",
		                            "100.63.0.1",      "100.128.0.1",   "172.15.0.1",
		                            "172.32.0.1",      "192.167.1.1",   "192.169.0.1",
		                            "198.17.0.1",      "198.20.0.1",    "223.255.255.255",
		                            "2606:4700::1",    "2001:200::1",   "::ffff:8.8.8.8",
		                            "64:ff9b::808:808" };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(open); i++) {
		if (net_of(open[i]) != FETCH_NET_PUBLIC) {
			fail_msg("%s", open[i]);
		}
	}
}

static void what_is_no_ip_address_is_not_for_strangers(void **state)
{
	const struct sockaddr local = { .sa_family = AF_UNIX };

	(void)state;
	assert_int_equal(fetch_net_of(&local), FETCH_NET_PRIVATE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(loopback_is_this_machine),
		cmocka_unit_test(what_is_no_strangers_business_is_private),
		cmocka_unit_test(where_machines_learn_their_credentials_is_known),
		cmocka_unit_test(the_rest_is_public),
		cmocka_unit_test(what_is_no_ip_address_is_not_for_strangers),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
