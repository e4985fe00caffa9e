// Command pull copies a whole data product into a folder: all endpoints in parallel, each into an Arrow IPC file of its
// own. When it is interrupted, running it again fetches only the parts that are not there.
//
//	AIRSIDE_TOKEN=airt_… go run . grpc://127.0.0.1:50051 sales.lineitem lineitem/
//
// AIRSIDE_USER and AIRSIDE_PASSWORD sign in by password instead. AIRSIDE_PURPOSE states a purpose, AIRSIDE_ROOTS
// names a file of certificates to trust with grpc+tls://, AIRSIDE_PARALLEL says how many endpoints to read at once.
package main

import (
	"context"
	"errors"
	"fmt"
	"log"
	"os"
	"os/signal"
	"strconv"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// patience is how often in a row nothing may come of asking again.
const patience = 5

func main() {
	log.SetFlags(0)
	if len(os.Args) != 4 {
		log.Fatal("usage: pull grpc://HOST:PORT DOMAIN.PRODUCT FOLDER")
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := pull(ctx, os.Args[1], os.Args[2], os.Args[3]); err != nil {
		log.Fatal(err)
	}
}

// pull asks for the product until every part of one answer is in the folder. Whatever a part failed of (the connection,
// its ticket's end, data that was replaced, a right that is gone), asking again tells.
func pull(ctx context.Context, address, product, folder string) error {
	for fruitless := 0; ; {
		done, fetched, err := round(ctx, address, product, folder)
		if done {
			return nil
		}
		fruitless++
		if fetched > 0 {
			fruitless = 0
		}
		if fruitless == patience || !passes(err) {
			return err
		}
		log.Printf("asking again: %v", err)
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(time.Duration(fruitless) * time.Second):
		}
	}
}

// round asks once and fetches what is missing of the answer. It says whether all is there, and how many parts it
// fetched.
func round(ctx context.Context, address, product, folder string) (done bool, fetched int, err error) {
	gateway, err := dial(ctx, address)
	if err != nil {
		return false, 0, err
	}
	defer gateway.close()
	info, err := gateway.ask(product)
	if err != nil {
		return false, 0, err
	}
	target, err := prepare(folder, info)
	if err != nil {
		return false, 0, err
	}
	missing := target.missing()
	log.Printf("%s: %d parts, %d to fetch", product, len(info.Endpoint), len(missing))

	var finished atomic.Int32
	var readers errgroup.Group
	readers.SetLimit(parallel())
	for _, part := range missing {
		readers.Go(func() error {
			rows, err := gateway.fetch(info.Endpoint[part].Ticket, target.path(part))
			if err != nil {
				return &partError{part, err}
			}
			log.Printf("part %d: %d rows", part, rows)
			finished.Add(1)
			return nil
		})
	}
	if err := readers.Wait(); err != nil {
		return false, int(finished.Load()), err
	}
	return true, len(missing), target.tidy()
}

// partError is what a part was not fetched for.
type partError struct {
	part  int
	cause error
}

func (e *partError) Error() string { return fmt.Sprintf("part %d: %v", e.part, e.cause) }
func (e *partError) Unwrap() error { return e.cause }

// passes tells whether to ask again: after what the gateway or the network said of a part, whatever it was, and when
// asking itself met what passes. A full disk does not.
func passes(err error) bool {
	var call interface{ GRPCStatus() *status.Status }
	if !errors.As(err, &call) {
		return false
	}
	if part := (*partError)(nil); errors.As(err, &part) {
		return true
	}
	switch call.GRPCStatus().Code() {
	case codes.Unavailable, codes.DeadlineExceeded, codes.ResourceExhausted:
		return true
	default:
		return false
	}
}

func parallel() int {
	if given, err := strconv.Atoi(os.Getenv("AIRSIDE_PARALLEL")); err == nil && given > 0 {
		return given
	}
	return 4
}
