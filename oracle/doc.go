// Package oracle holds the rules of readings: who may submit one, how oracles
// vote on it, and what it is worth once it closes.
package oracle
