using System.Diagnostics;

namespace Crosscore.Reclamation;

/// <summary>
/// What is done when the process ends, so that nothing that was retired to a <c>Default</c> is lost without need:
/// values that write a file or close a connection when they are disposed of. Domains that live for as long as the
/// process add themselves; others end by their Dispose.
/// </summary>
internal static class ExitFlush
{
    /// <summary>How long the end of the process is held up at most, by all together.</summary>
    public static readonly TimeSpan Limit = TimeSpan.FromSeconds(2);

    private static readonly object Gate = new();
    private static readonly List<Func<TimeSpan, bool>> Flushes = [];

    /// <summary>Adds what is called when the process ends.</summary>
    /// <param name="flush">
    /// Reclaims what can be reclaimed within a time, and returns whether that was anything; then all are called once
    /// more, because a callback may have retired something else. It returns at once where it would wait for its own
    /// caller, which may be any thread, also one inside of a section or a callback.
    /// </param>
    public static void Add(Func<TimeSpan, bool> flush)
    {
        using var steady = new Uninterrupted();
        steady.Enter(Gate);
        try
        {
            if (Flushes.Count == 0)
            {
                AppDomain.CurrentDomain.ProcessExit += OnExit;
                CollectibleContext.WhenUnloading(Unload);
            }

            Flushes.Add(flush);
        }
        finally
        {
            Monitor.Exit(Gate);
        }
    }

    private static void OnExit(object? sender, EventArgs arguments) => Run();

    private static void Unload()
    {
        AppDomain.CurrentDomain.ProcessExit -= OnExit; // which keeps the context loaded
        Run();
    }

    private static void Run()
    {
        Func<TimeSpan, bool>[] flushes;
        using (var steady = new Uninterrupted())
        {
            steady.Enter(Gate);
            flushes = [.. Flushes];
            Monitor.Exit(Gate);
        }

        long began = Stopwatch.GetTimestamp();
        bool any = true;
        while (any)
        {
            any = false;
            foreach (Func<TimeSpan, bool> flush in flushes)
            {
                TimeSpan left = Limit - Stopwatch.GetElapsedTime(began);
                if (left <= TimeSpan.Zero)
                {
                    return;
                }

                any |= flush(left);
            }
        }
    }
}
