using System.Diagnostics;
using System.Runtime.InteropServices;
using Crosscore.Rcu;

namespace Crosscore.Tests.Rcu;

/// <summary>
/// Readers of all kinds and a writer who reuses native memory, for a limited time. An element that has been replaced
/// gets older by one with each grace period, and is poisoned when it has been retired; a reader notes how old the
/// element became while it was looking at it. Older than 1 is an error, poison is an error. Concurrently threads come
/// and go and collections are forced.
/// </summary>
internal sealed class RcuTorture : IDisposable
{
    public const int Ages = 8;
    private const long Alive = 0x600DF00D;
    private const long Poison = 0x0BADF00D;
    private const int Elements = 64;
    private const int ElementSize = 64;

    private readonly RcuDomain _domain;
    private readonly nint _elements = Allocate();
    private readonly Queue<nint> _free = new();
    private readonly List<nint> _replaced = [];
    private readonly Lock _pool = new();
    private readonly long[] _ages = new long[Ages];
    private nint _current;
    private long _poisoned;
    private long _updates;
    private long _threads;
    private volatile bool _over;

    public RcuTorture(RcuDomain domain)
    {
        _domain = domain;
        for (int i = 0; i < Elements; i++)
        {
            _free.Enqueue(_elements + (i * ElementSize));
        }

        _current = Take()!.Value;
    }

    public IReadOnlyList<long> AgesSeen => _ages;

    public long PoisonSeen => _poisoned;

    public long Updates => _updates;

    public long Threads => _threads;

    public static void RunAndPrint()
    {
        using var domain = new RcuDomain();
        using var torture = new RcuTorture(domain);
        torture.Run(TimeSpan.FromSeconds(2));
        Console.WriteLine($"{AsymmetricFence.Mode}");
        Console.WriteLine($"{torture.PoisonSeen} {torture.Updates} {torture.Threads}");
        Console.WriteLine(string.Join(' ', torture.AgesSeen));
    }

    public void Run(TimeSpan time)
    {
        Background[] workers =
        [
            new(ReadForLong),
            new(ReadAsynchronously),
            new(StartThreads),
            new(Collect),
            new(Update),
        ];
        long began = Stopwatch.GetTimestamp();
        while (Stopwatch.GetElapsedTime(began) < time)
        {
            Thread.Sleep(20);
        }

        _over = true;
        Array.ForEach(workers, worker => worker.Join());
        _domain.Barrier();
    }

    public unsafe void Dispose() => NativeMemory.Free((void*)_elements);

    private static unsafe nint Allocate() => (nint)NativeMemory.AllocZeroed(Elements, ElementSize);

    private void ReadForLong()
    {
        while (!_over)
        {
            Read(nested: true);
        }
    }

    private void ReadAsynchronously()
    {
        Task[] readers =
        [
            .. Enumerable
                .Range(0, 4)
                .Select(_ =>
                    Task.Run(async () =>
                    {
                        while (!_over)
                        {
                            using RcuAsyncReadSection section = _domain.EnterAsyncReadSection();
                            nint element = Volatile.Read(ref _current);
                            await Task.Yield();
                            Note(element);
                        }
                    })
                ),
        ];
        Task.WaitAll(readers);
    }

    private void StartThreads()
    {
        while (!_over)
        {
            var thread = new Thread(() =>
            {
                for (int i = 0; i < 100; i++)
                {
                    Read(nested: false);
                }

                // Some end where no thread should: inside.
                if (Environment.CurrentManagedThreadId % 4 == 0)
                {
                    _ = _domain.EnterReadSection();
                }
            });
            thread.Start();
            thread.Join();
            _threads++;
        }
    }

    private void Collect()
    {
        while (!_over)
        {
            GC.Collect(GC.MaxGeneration, GCCollectionMode.Forced, blocking: true, compacting: true);
            _ = new byte[Random.Shared.Next(1, 100_000)];
            Thread.Sleep(1);
        }
    }

    private void Read(bool nested)
    {
        using RcuReadSection outer = _domain.EnterReadSection();
        nint element = Volatile.Read(ref _current);
        if (nested)
        {
            using (_domain.EnterReadSection())
            {
                Thread.SpinWait(Random.Shared.Next(20));
            }
        }

        if (Random.Shared.Next(2_000) == 0)
        {
            _ = Thread.Yield();
        }

        Note(element);
    }

    private unsafe void Note(nint address)
    {
        // SAFETY: the elements live until Dispose, which comes after all readers have been joined.
        var element = (Element*)address;
        int age = Math.Min(Volatile.Read(ref element->Age), Ages - 1);
        if (Volatile.Read(ref element->State) != Alive)
        {
            _ = Interlocked.Increment(ref _poisoned);
        }

        _ = Interlocked.Increment(ref _ages[age]);
    }

    private unsafe void Update()
    {
        while (!_over)
        {
            if (Take() is not { } next)
            {
                _ = Thread.Yield();
                continue;
            }

            nint old = Interlocked.Exchange(ref _current, next);
            _updates++;
            if (_updates % 2 == 0)
            {
                // Poisoned and reused through the queue.
                _domain.Retire(old, Give, ElementSize);
                continue;
            }

            // Grows older with each grace period, and is used again after some.
            _replaced.Add(old);
            _domain.Synchronize();
            for (int i = _replaced.Count - 1; i >= 0; i--)
            {
                var element = (Element*)_replaced[i];
                int age = element->Age + 1;
                Volatile.Write(ref element->Age, age);
                if (age == Ages)
                {
                    Give(_replaced[i]);
                    _replaced.RemoveAt(i);
                }
            }
        }
    }

    private unsafe nint? Take()
    {
        lock (_pool)
        {
            if (!_free.TryDequeue(out nint address))
            {
                return null;
            }

            var element = (Element*)address;
            element->Age = 0;
            element->State = Alive;
            return address;
        }
    }

    private unsafe void Give(nint address)
    {
        lock (_pool)
        {
            ((Element*)address)->State = Poison;
            _free.Enqueue(address);
        }
    }

    [StructLayout(LayoutKind.Sequential, Size = ElementSize)]
    private struct Element
    {
        public long State;
        public int Age;
    }
}
