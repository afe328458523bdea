using System.Runtime.InteropServices;

namespace Crosscore.Tests.PerCpu;

/// <summary>What the kernel's own tests inject.</summary>
[Flags]
public enum Disturbances
{
    None = 0,

    /// <summary>An empty loop after each step of the sections.</summary>
    Delays = 1,

    /// <summary>Workers give up their CPU between operations.</summary>
    Yields = 2,

    /// <summary>Workers are sent signals that have a handler.</summary>
    Signals = 4,

    /// <summary>Workers are moved from CPU to CPU.</summary>
    Migrations = 8,

    All = Delays | Yields | Signals | Migrations,
}

/// <summary>
/// Disturbs the threads that have joined it until it is over. What the storm does is bound by what it disturbs; nothing
/// waits for a time.
/// </summary>
internal sealed class Storm : IDisposable
{
    private const int SIGWINCH = 28;

    private readonly Disturbances _what;
    private readonly List<int> _victims = [];
    private readonly Thread? _thread;
    private readonly PosixSignalRegistration? _handler;
    private volatile bool _over;
    private long _count;

    public Storm(Disturbances what)
    {
        _what = what;
        if ((what & (Disturbances.Signals | Disturbances.Migrations)) != 0)
        {
            // Without a handler an ignored signal is thrown away where it is sent, and interrupts no thread.
            _handler =
                what.HasFlag(Disturbances.Signals) && !OperatingSystem.IsWindows()
                    ? PosixSignalRegistration.Create(PosixSignal.SIGWINCH, context => context.Cancel = true)
                    : null;
            _thread = new Thread(Rage) { IsBackground = true };
            _thread.Start();
        }
    }

    /// <summary>How often a thread was moved or sent a signal.</summary>
    public long Count => Volatile.Read(ref _count);

    /// <summary>The calling thread becomes a victim, until its process or the storm ends.</summary>
    public void Join()
    {
        lock (_victims)
        {
            _victims.Add(Threads.CurrentId);
        }
    }

    public void Leave()
    {
        lock (_victims)
        {
            _ = _victims.Remove(Threads.CurrentId);
        }

        Threads.Place(0, Threads.Cpus);
    }

    /// <summary>What a worker does between two operations.</summary>
    public void Between(long operation)
    {
        if (_what.HasFlag(Disturbances.Yields) && operation % 64 == 0)
        {
            _ = Thread.Yield();
        }
    }

    public void Dispose()
    {
        _over = true;
        _thread?.Join();
        _handler?.Dispose();
    }

    private void Rage()
    {
        var random = new Random(1);
        while (!_over)
        {
            lock (_victims)
            {
                foreach (int victim in _victims)
                {
                    if (_what.HasFlag(Disturbances.Migrations))
                    {
                        Threads.Place(victim, Threads.Cpus[random.Next(Threads.Cpus.Length)]);
                    }

                    if (_what.HasFlag(Disturbances.Signals))
                    {
                        Threads.Signal(victim, SIGWINCH);
                    }

                    Volatile.Write(ref _count, _count + 1);
                }
            }

            _ = Thread.Yield();
        }
    }
}
