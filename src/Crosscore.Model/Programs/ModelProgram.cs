namespace Crosscore.Model.Programs;

/// <summary>
/// What the model explores: memory, threads, and what of their final state matters. Without a <see cref="System"/> each
/// thread has its own core.
/// </summary>
internal sealed class ModelProgram
{
    /// <summary>The shared memory; addresses must not overlap.</summary>
    public required IReadOnlyList<MemoryRegion> Memory { get; init; }

    /// <summary>The threads.</summary>
    public required IReadOnlyList<ThreadCode> Threads { get; init; }

    /// <summary>What a final state consists of, in this order.</summary>
    public required IReadOnlyList<Observation> Observations { get; init; }

    /// <summary>
    /// The CPUs and the kernel on which the threads are tasks; <see langword="null"/> for cores and nothing else.
    /// </summary>
    public CpuSystem? System { get; init; }

    /// <summary>Gets the code of all threads, and after it the code of each CPU.</summary>
    internal IEnumerable<ThreadCode> AllCode => Threads.Concat(System?.CpuCode ?? []);

    /// <summary>Gets the operations of <see cref="AllCode"/>.</summary>
    internal IEnumerable<MicroOp> AllOps => AllCode.SelectMany(code => code.Ops);
}

/// <summary>A piece of shared memory: one element, or an array of equal ones.</summary>
internal sealed class MemoryRegion
{
    /// <summary>Its name, for messages.</summary>
    public required string Name { get; init; }

    /// <summary>Its address; a multiple of <see cref="ElementWidth"/>.</summary>
    public required ulong Address { get; init; }

    /// <summary>Bytes of an element: 1, 2, 4 or 8.</summary>
    public required int ElementWidth { get; init; }

    /// <summary>One value an element.</summary>
    public required IReadOnlyList<ulong> InitialValues { get; init; }

    /// <summary>Whether it is code, which cores fetch by separate rules.</summary>
    public bool IsCode { get; init; }

    /// <summary>Whether nothing can have been fetched from it at the start, because nothing was mapped there.</summary>
    public bool IsUnmapped { get; init; }

    /// <summary>
    /// The page whose translation it holds (<see cref="TableEntry"/>); <see langword="null"/> for ordinary memory.
    /// </summary>
    public ulong? TranslatesPage { get; init; }

    /// <summary>
    /// Whether a computed address may lie in it. Accesses by constant addresses are seen without this.
    /// </summary>
    public required bool AddressTaken { get; init; }

    /// <summary>Bytes of the whole.</summary>
    public int Size => ElementWidth * InitialValues.Count;
}

/// <summary>The code and the initial registers of a thread.</summary>
internal sealed class ThreadCode
{
    /// <summary>The operations. Execution begins with the first; running off the end is halting.</summary>
    public required IReadOnlyList<MicroOp> Ops { get; init; }

    /// <summary>One value a register; how many there are is how many the code may use.</summary>
    public required IReadOnlyList<ulong> InitialRegisters { get; init; }

    /// <summary>Its per-CPU sections; none lies within another.</summary>
    public IReadOnlyList<RestartableSection> Sections { get; init; } = [];
}

/// <summary>
/// A per-CPU section (restartable sequence): a thread that is interrupted in it with a restart resumes elsewhere.
/// </summary>
/// <param name="First">Its first operation.</param>
/// <param name="End">The operation behind its last one, which commits.</param>
/// <param name="Abort">Where a restarted thread resumes; not in the section.</param>
internal readonly record struct RestartableSection(int First, int End, int Abort);

/// <summary>A value of the final state: a register (<paramref name="Thread"/> not negative), or memory.</summary>
/// <param name="Thread">The thread, or -1 for memory.</param>
/// <param name="Register">The register.</param>
/// <param name="Address">The address.</param>
/// <param name="Width">Bytes: 1, 2, 4 or 8.</param>
internal readonly record struct Observation(int Thread, int Register, ulong Address, int Width)
{
    /// <summary>A register.</summary>
    public static Observation OfRegister(int thread, int register) => new(thread, register, 0, 8);

    /// <summary>Memory.</summary>
    public static Observation OfMemory(ulong address, int width) => new(-1, -1, address, width);
}
