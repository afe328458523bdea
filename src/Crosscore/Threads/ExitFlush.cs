using System.Diagnostics;

namespace Crosscore.Threads;

/// <summary>
/// Reclaims at the end of the process what was retired to a <c>Default</c> domain, so that a value that writes a file
/// or closes a connection when it is disposed of is not lost without need. Domains that live for as long as the process
/// add themselves; others end by their Dispose.
/// </summary>
internal static class ExitFlush
{
    /// <summary>How long all flushes together delay the end of the process at most.</summary>
    public static readonly TimeSpan Limit = TimeSpan.FromSeconds(2);

    private static readonly object Gate = new();
    private static readonly List<Func<TimeSpan, bool>> Flushes = [];

    /// <summary>Adds what is called when the process ends.</summary>
    /// <param name="flush">
    /// Reclaims what can be reclaimed within a time, and returns whether that was anything; then all are called once
    /// more, because a callback may have retired something else. Where a plug-in is unloaded, the thread that unloads
    /// calls it, also inside of a section or a callback; it returns at once where it would wait for that thread. At the
    /// end of the process the runtime calls it on a separate thread, so it waits for a section or callback of the
    /// thread that ends the process until the time is over.
    /// </param>
    public static void Add(Func<TimeSpan, bool> flush)
    {
        using var uninterrupted = new Uninterrupted();
        uninterrupted.Enter(Gate);
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
        long began = Stopwatch.GetTimestamp();
        bool any = true;
        while (any)
        {
            any = false;
            Func<TimeSpan, bool>[] flushes = ReadFlushes();
            foreach (Func<TimeSpan, bool> flush in flushes)
            {
                TimeSpan left = Limit - Stopwatch.GetElapsedTime(began);
                if (left <= TimeSpan.Zero)
                {
                    return;
                }

                any |= flush(left);
            }

            any |= ReadFlushes().Length > flushes.Length; // a callback was the first to use another Default
        }
    }

    private static Func<TimeSpan, bool>[] ReadFlushes()
    {
        using var uninterrupted = new Uninterrupted();
        uninterrupted.Enter(Gate);
        try
        {
            return [.. Flushes];
        }
        finally
        {
            Monitor.Exit(Gate);
        }
    }
}
