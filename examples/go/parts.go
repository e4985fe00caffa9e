package main

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/apache/arrow-go/v18/arrow/flight"
	"google.golang.org/protobuf/encoding/protowire"
)

// target is where the parts of one answer lie: part 3 of 12 in `part-00003-of-00012.arrow`, in a folder that is named
// after what they have in common. Parts of unlike answers never meet.
type target struct {
	root, folder string
	parts        int
}

// prepare makes the folder of an answer, and keeps the receipt beside its parts.
func prepare(root string, info *flight.FlightInfo) (*target, error) {
	folder := filepath.Join(root, fingerprint(info))
	if err := os.MkdirAll(folder, 0o777); err != nil {
		return nil, err
	}
	if err := os.WriteFile(filepath.Join(folder, "receipt.bin"), info.AppMetadata, 0o666); err != nil {
		return nil, err
	}
	return &target{root, folder, len(info.Endpoint)}, nil
}

// fingerprint says of two answers whether their parts belong together: the same files, under the same policy and for
// the same purpose, cut into as many parts. The receipt has all of it, and the id of the decision, which is another one
// each time.
func fingerprint(info *flight.FlightInfo) string {
	digest := sha256.New()
	for rest := info.AppMetadata; len(rest) > 0; {
		number, _, size := protowire.ConsumeField(rest)
		if size < 0 {
			digest.Write(rest)
			break
		}
		if number != 1 {
			digest.Write(rest[:size])
		}
		rest = rest[size:]
	}
	fmt.Fprintf(digest, "%d", len(info.Endpoint))
	digest.Write(info.Schema)
	return fmt.Sprintf("%x", digest.Sum(nil))[:16]
}

func (t *target) path(part int) string {
	return filepath.Join(t.folder, fmt.Sprintf("part-%05d-of-%05d.arrow", part, t.parts))
}

// missing are the parts that are not there yet.
func (t *target) missing() []int {
	var parts []int
	for part := range t.parts {
		if _, err := os.Stat(t.path(part)); errors.Is(err, fs.ErrNotExist) {
			parts = append(parts, part)
		}
	}
	return parts
}

// tidy removes the parts of earlier answers that were never finished, once there is a whole one.
func (t *target) tidy() error {
	others, err := filepath.Glob(filepath.Join(t.root, "*", "receipt.bin"))
	if err != nil {
		return err
	}
	for _, receipt := range others {
		folder := filepath.Dir(receipt)
		if folder != t.folder && !complete(folder) {
			err = errors.Join(err, os.RemoveAll(folder))
		}
	}
	fmt.Println(t.folder)
	return errors.Join(err, os.WriteFile(filepath.Join(t.folder, "complete"), nil, 0o666))
}

func complete(folder string) bool {
	_, err := os.Stat(filepath.Join(folder, "complete"))
	return err == nil
}

// writeWhole writes a file under another name and renames it once it is on disk, so that a file that is there is whole.
func writeWhole(path string, write func(*os.File) error) (err error) {
	file, err := os.Create(path + ".part")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, ignoreClosed(file.Close())) }()
	if err := write(file); err != nil {
		return err
	}
	if err := file.Sync(); err != nil {
		return err
	}
	if err := file.Close(); err != nil {
		return err
	}
	return os.Rename(path+".part", path)
}

func ignoreClosed(err error) error {
	if errors.Is(err, os.ErrClosed) {
		return nil
	}
	return err
}
