package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net/url"
	"os"
	"strings"

	"github.com/apache/arrow-go/v18/arrow/flight"
	"github.com/apache/arrow-go/v18/arrow/ipc"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
)

// largestMessage is what is accepted of one message. The gateway keeps below 4 MiB unless one row alone is larger.
const largestMessage = 64 << 20

// gateway is a connection, and a context whose calls are signed in.
type gateway struct {
	client flight.Client
	ctx    context.Context
}

func dial(ctx context.Context, address string) (*gateway, error) {
	target, err := url.Parse(address)
	if err != nil {
		return nil, err
	}
	transport, err := transportOf(target.Scheme)
	if err != nil {
		return nil, err
	}
	client, err := flight.NewClientWithMiddleware(target.Host, nil, nil,
		grpc.WithTransportCredentials(transport), grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(largestMessage)))
	if err != nil {
		return nil, err
	}
	ctx, err = signIn(ctx, client)
	if err != nil {
		client.Close()
		return nil, err
	}
	return &gateway{client, ctx}, nil
}

func transportOf(scheme string) (credentials.TransportCredentials, error) {
	switch scheme {
	case "grpc", "grpc+tcp":
		return insecure.NewCredentials(), nil
	case "grpc+tls":
		config := &tls.Config{MinVersion: tls.VersionTLS12}
		if file := os.Getenv("AIRSIDE_ROOTS"); file != "" {
			pem, err := os.ReadFile(file)
			if err != nil {
				return nil, err
			}
			config.RootCAs = x509.NewCertPool()
			if !config.RootCAs.AppendCertsFromPEM(pem) {
				return nil, fmt.Errorf("no certificate in %s", file)
			}
		}
		return credentials.NewTLS(config), nil
	default:
		return nil, fmt.Errorf("neither grpc:// nor grpc+tls://: %s", scheme)
	}
}

// signIn adds to the context what every call carries: the token, the one given or the one that the handshake gives for
// a password, and the purpose.
func signIn(ctx context.Context, client flight.Client) (context.Context, error) {
	if purpose := os.Getenv("AIRSIDE_PURPOSE"); purpose != "" {
		ctx = metadata.AppendToOutgoingContext(ctx, "airside-purpose", purpose)
	}
	if token := os.Getenv("AIRSIDE_TOKEN"); token != "" {
		return metadata.AppendToOutgoingContext(ctx, "authorization", "Bearer "+token), nil
	}
	return client.AuthenticateBasicToken(ctx, os.Getenv("AIRSIDE_USER"), os.Getenv("AIRSIDE_PASSWORD"))
}

// ask tells what the product is made of. The header says that all endpoints will be read: without it the gateway
// gives everything in one, for clients that read no other.
func (g *gateway) ask(product string) (*flight.FlightInfo, error) {
	ctx := metadata.AppendToOutgoingContext(g.ctx, "airside-endpoints", "all")
	descriptor := &flight.FlightDescriptor{Type: flight.DescriptorPATH, Path: strings.SplitN(product, ".", 2)}
	return g.client.GetFlightInfo(ctx, descriptor)
}

// fetch writes what a ticket gives to a file, which is there once it is whole.
func (g *gateway) fetch(ticket *flight.Ticket, path string) (rows int64, err error) {
	stream, err := g.client.DoGet(g.ctx, ticket)
	if err != nil {
		return 0, err
	}
	reader, err := flight.NewRecordReader(stream)
	if err != nil {
		return 0, err
	}
	defer reader.Release()
	err = writeWhole(path, func(file *os.File) error {
		writer, err := ipc.NewFileWriter(file, ipc.WithSchema(reader.Schema()))
		if err != nil {
			return err
		}
		for reader.Next() {
			if err := writer.Write(reader.RecordBatch()); err != nil {
				return err
			}
			rows += reader.RecordBatch().NumRows()
		}
		if err := reader.Err(); err != nil {
			return err
		}
		return writer.Close()
	})
	return rows, err
}

func (g *gateway) close() { g.client.Close() }
