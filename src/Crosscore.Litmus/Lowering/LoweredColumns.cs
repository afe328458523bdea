using Crosscore.Model.Programs;

namespace Crosscore.Litmus.Lowering;

/// <summary>The columns of a test, lowered.</summary>
/// <param name="Threads">One for each column.</param>
/// <param name="Code">The code of the test that is memory too, so that stores can change it.</param>
/// <param name="AddressesTaken">The variables whose addresses the columns take.</param>
internal sealed record LoweredColumns(
    IReadOnlyList<ThreadLowering> Threads,
    IReadOnlyList<MemoryRegion> Code,
    IReadOnlySet<string> AddressesTaken
);
