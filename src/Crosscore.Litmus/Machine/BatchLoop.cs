using System.Diagnostics;
using Crosscore.Litmus.Assemblers;

namespace Crosscore.Litmus.Machine;

/// <summary>A test that runs batch by batch.</summary>
internal interface IBatchRun
{
    /// <summary>Gets the time that a batch should take; until it does, batches grow.</summary>
    TimeSpan BatchTime { get; }

    /// <summary>Gets the iterations of the first batch.</summary>
    int FirstBatch { get; }

    /// <summary>Gets the most iterations that a batch may have.</summary>
    int BatchLimit { get; }

    /// <summary>Gets the memory that the threads share, with the word that asks them to leave.</summary>
    NativeBlock Shared { get; }

    /// <summary>Whether the iterations of a batch count that was asked to leave.</summary>
    bool CountsCutBatches { get; }

    /// <summary>Gets how a run ends whose last batch was asked to leave.</summary>
    MachineRunEnd CutEnd { get; }

    /// <summary>Makes everything ready for a batch.</summary>
    /// <param name="size">The iterations of the batch.</param>
    void Prepare(int size);

    /// <summary>Does a thread's part of a batch, on that thread.</summary>
    /// <param name="thread">The thread.</param>
    /// <param name="size">The iterations of the batch.</param>
    void Execute(int thread, int size);

    /// <summary>Finishes a batch that counts.</summary>
    /// <param name="size">The iterations of the batch.</param>
    /// <returns>The iterations that count.</returns>
    long Finish(int size);

    /// <summary>Checks that the kernel carried out all system calls of the batch.</summary>
    /// <exception cref="MachineRunException">It refused one.</exception>
    void ThrowIfRefused();
}

/// <summary>Runs batches until all iterations are made, the time is up or the caller's question is answered.</summary>
internal static class BatchLoop
{
    /// <summary>Runs batches.</summary>
    /// <param name="run">The test.</param>
    /// <param name="crew">The threads.</param>
    /// <param name="iterations">How many iterations to make.</param>
    /// <param name="clock">The time.</param>
    /// <param name="stop">Asked after each batch.</param>
    /// <returns>The iterations that count, and why the run ended.</returns>
    public static (long Iterations, MachineRunEnd End) Run(
        IBatchRun run,
        PinnedCrew crew,
        long iterations,
        RunClock clock,
        Func<bool> stop
    )
    {
        long done = 0;
        int batch = run.FirstBatch;
        while (done < iterations)
        {
            if (clock.IsUp)
            {
                return (done, MachineRunEnd.TimeLimit);
            }

            int size = (int)Math.Min(batch, iterations - done);
            long began = Stopwatch.GetTimestamp();
            run.Prepare(size);
            crew.Begin(thread => run.Execute(thread, size));
            bool ended = clock.Await(crew, run.Shared);
            run.ThrowIfRefused();
            if (ended || run.CountsCutBatches)
            {
                done += run.Finish(size);
                if (stop())
                {
                    return (done, MachineRunEnd.Stopped);
                }
            }

            if (!ended)
            {
                return (done, run.CutEnd);
            }

            if (Stopwatch.GetElapsedTime(began) < run.BatchTime)
            {
                batch = Math.Min(2 * batch, run.BatchLimit);
            }
        }

        return (done, MachineRunEnd.Completed);
    }
}
