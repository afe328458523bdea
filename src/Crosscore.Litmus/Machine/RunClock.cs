using System.Diagnostics;
using Crosscore.Litmus.Assemblers;

namespace Crosscore.Litmus.Machine;

/// <summary>
/// Decides when a run ends, and gets all threads out of the machine code when it must: a column that spins forever
/// looks at the word that this class sets.
/// </summary>
/// <param name="limit">The time limit.</param>
/// <param name="cancellation">Ends the run at once, with an exception.</param>
internal sealed class RunClock(TimeSpan limit, CancellationToken cancellation)
{
    private static readonly TimeSpan LongestGrace = TimeSpan.FromSeconds(1);
    private readonly Stopwatch _watch = Stopwatch.StartNew();

    /// <summary>Time since the run began.</summary>
    public TimeSpan Elapsed => _watch.Elapsed;

    /// <summary>Whether the time limit has passed.</summary>
    public bool IsUp => _watch.Elapsed >= limit;

    /// <summary>
    /// Waits for the batch that the crew has begun. A batch takes milliseconds, so one that is still running when the
    /// limit passes gets some grace; one that has had it is asked to leave.
    /// </summary>
    /// <param name="crew">The crew.</param>
    /// <param name="shared">The block with the word that asks for leaving.</param>
    /// <returns>Whether the batch ended by itself.</returns>
    public bool Await(PinnedCrew crew, NativeBlock shared)
    {
        TimeSpan began = _watch.Elapsed;
        TimeSpan grace = limit / 2 < LongestGrace ? limit / 2 : LongestGrace;
        TimeSpan end = limit > began + grace ? limit : began + grace;
        bool ended;
        try
        {
            ended = crew.Wait(Patience(end - began), cancellation);
        }
        catch (OperationCanceledException)
        {
            AskToLeave(crew, shared);
            throw;
        }

        if (!ended)
        {
            AskToLeave(crew, shared);
        }

        return ended;
    }

    private static void AskToLeave(PinnedCrew crew, NativeBlock shared)
    {
        // Pairs with the loads at the head of each loop and in each waiting place of the generated code. Nothing is
        // ordered by it: any later reading will do.
        Volatile.Write(ref shared[SharedBlock.Leave], 1);
        crew.Wait(Timeout.InfiniteTimeSpan, CancellationToken.None);
    }

    // The timer's largest step is a little under 50 days; no batch takes that long.
    private static TimeSpan Patience(TimeSpan time) =>
        time.TotalMilliseconds < int.MaxValue ? time : TimeSpan.FromMilliseconds(int.MaxValue);
}
