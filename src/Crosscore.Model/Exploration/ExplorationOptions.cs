using Crosscore.Model.Cores;

namespace Crosscore.Model.Exploration;

/// <summary>
/// Ways to visit fewer states without losing a final state or a shortest way to one. Each can be switched off, to check
/// that it changes nothing else.
/// </summary>
[Flags]
public enum Reductions
{
    /// <summary>Every operation of every thread is a step, in every order.</summary>
    None = 0,

    /// <summary>
    /// What a thread does for itself alone (registers, jumps, a store into its own buffer, a load of what no other
    /// thread writes, a fence that need not wait) happens together with the step before it.
    /// </summary>
    LocalFusion = 1,

    /// <summary>
    /// A step that nothing the others may ever do can depend on is taken at once, alone: a persistent set of one
    /// (Godefroid 1996; Valmari's stubborn sets). It keeps every final state and the length of the way to it; it needs
    /// no proviso for cycles because only final states are asked for.
    /// </summary>
    Independence = 2,

    /// <summary>A register whose value can no longer matter is zero.</summary>
    DeadRegisters = 4,

    /// <summary>
    /// On AArch64 cores, where a program is nothing but threads that each run on a separate CPU: all writes are
    /// promised before anything is executed, and then the CPUs run one after the other (Promising-ARM, section 7).
    /// Other cores have nothing to promise.
    /// </summary>
    PromisesFirst = 8,

    /// <summary>All of them.</summary>
    All = LocalFusion | Independence | DeadRegisters | PromisesFirst,
}

/// <summary>How to explore.</summary>
public sealed record ExplorationOptions
{
    /// <summary>The reductions to use.</summary>
    public Reductions Reductions { get; init; } = Reductions.All;

    /// <summary>
    /// How many stores of a core may wait at once where the program itself sets no limit (a loop that stores and never
    /// passes a fence). Reaching it is reported. Where the program sets a limit, however large up to 64, that one is
    /// used and nothing is cut off.
    /// </summary>
    public int BufferBound { get; init; } = 8;

    /// <summary>
    /// Whether AArch64 cores may let a store reach memory before earlier loads and stores of the same CPU have been
    /// executed. Without, outcomes that need it, of load buffering and of two unordered stores, are not found, and the
    /// result says so (<see cref="Bounds.Promises"/>).
    /// </summary>
    public bool Promises { get; init; } = true;

    /// <summary>
    /// Upper bound on the writes of an AArch64 program that are tracked at once, where loops set no limit. Reaching it
    /// is reported; where the program sets a limit, that one is used and nothing is cut off.
    /// </summary>
    public int WriteBound { get; init; } = 20;

    /// <summary>
    /// What software need not do on an AArch64 core after it changed code; <see langword="null"/> for what the test
    /// says, or nothing.
    /// </summary>
    public CacheType? Caches { get; init; }

    /// <summary>
    /// How many times, all CPUs together, a task may be switched out by an interrupt that it did not ask for;
    /// <see langword="null"/>, the default, for any number. Reaching it is reported.
    /// </summary>
    public int? PreemptionBound { get; init; }

    /// <summary>What cores promise of instruction fetch.</summary>
    public FetchProfile Fetch { get; init; } = FetchProfile.Sdm;

    /// <summary>The largest number of states to store; reaching it ends the exploration and is reported.</summary>
    public int MaxStates { get; init; } = StateTable.MostStates;

    /// <summary>
    /// The largest number of bytes for states and final states; reaching it ends the exploration and is reported. By
    /// default half of what this process may use: growing needs the old and the new at once for a moment.
    /// </summary>
    public long MaxBytes { get; init; } = GC.GetGCMemoryInfo().TotalAvailableMemoryBytes / 2;

    /// <summary>
    /// Whether to find out if an execution may hang (<see cref="Exploration.Endings"/>). It takes some 4 bytes for each
    /// step within <see cref="MaxBytes"/>, which the states themselves get first: where they need them, hangs are not
    /// looked for.
    /// </summary>
    public bool Endings { get; init; } = true;

    /// <summary>
    /// How many threads explore together; the result is the same for any number. Explorations that stay small use one
    /// in any case.
    /// </summary>
    public int Workers { get; init; } = Environment.ProcessorCount;

    /// <summary>
    /// The fewest states that are shared among threads. Below the default they take less time than waking the threads;
    /// tests lower it, to see threads at work on everything.
    /// </summary>
    internal int LeastShared { get; init; } = 1 << 10;
}

/// <summary>What an exploration did not look at, if anything. Anything turns "impossible" into "not found".</summary>
[Flags]
public enum Bounds
{
    /// <summary>Everything was explored.</summary>
    None = 0,

    /// <summary><see cref="ExplorationOptions.BufferBound"/> made a store wait.</summary>
    Buffer = 1,

    /// <summary><see cref="ExplorationOptions.MaxStates"/> was reached.</summary>
    States = 2,

    /// <summary><see cref="ExplorationOptions.MaxBytes"/> was reached.</summary>
    Memory = 4,

    /// <summary>It was canceled.</summary>
    Canceled = 8,

    /// <summary>
    /// <see cref="ExplorationOptions.WriteBound"/> made a store impossible, or a loop may look at more writes of a cell
    /// side by side than were tracked.
    /// </summary>
    Writes = 16,

    /// <summary>
    /// <see cref="ExplorationOptions.Promises"/> was off, and stores of different cells stayed in order.
    /// </summary>
    Promises = 32,

    /// <summary><see cref="ExplorationOptions.PreemptionBound"/> kept a CPU from switching to another task.</summary>
    Preemptions = 64,
}

/// <summary>How far an exploration is.</summary>
/// <param name="States">States stored.</param>
/// <param name="Frontier">States stored and not yet expanded.</param>
/// <param name="Depth">Steps from the start to the states that are expanded now.</param>
/// <param name="Elapsed">Time since the start.</param>
public readonly record struct ExplorationProgress(long States, long Frontier, int Depth, TimeSpan Elapsed);
