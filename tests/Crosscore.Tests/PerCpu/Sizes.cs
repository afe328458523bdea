namespace Crosscore.Tests.PerCpu;

/// <summary>
/// How much the tests of per-CPU data do. The defaults take seconds; CROSSCORE_PERCPU_STRESS=N multiplies the work, as
/// docs/per-cpu.md says.
/// </summary>
internal static class Sizes
{
    /// <summary>As many threads as the exactness promise names.</summary>
    public const int Threads = 8;

    private static readonly int Factor =
        int.TryParse(Environment.GetEnvironmentVariable("CROSSCORE_PERCPU_STRESS"), out int factor) && factor > 0
            ? factor
            : 1;

    /// <summary>Operations of each thread where one takes nanoseconds.</summary>
    public static int Fast => 200_000 * Factor;

    /// <summary>Operations of each thread with delays inside of the sections.</summary>
    public static int Delayed => 200_000 * Factor;

    /// <summary>How often threads are moved at least while they work.</summary>
    public const int Moves = 500;

    /// <summary>How often a control is tried until the mistake shows that it must be able to show.</summary>
    public const int ControlRounds = 50;

    /// <summary>
    /// Rounds in which one thread waits until others have come by; on a busy machine each takes as long as the
    /// scheduler likes.
    /// </summary>
    public static int Exchanges => 100 * Factor;

    /// <summary>Barriers, each of which interrupts a CPU.</summary>
    public static int Barriers => 1000;
}
