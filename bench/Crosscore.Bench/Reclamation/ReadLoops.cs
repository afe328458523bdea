using System.Runtime.CompilerServices;
using Crosscore.Rcu;
using FASTER.core;

namespace Crosscore.Bench.Reclamation;

/// <summary>
/// One loop for each way of protecting the same read, of a number through a shared pointer as in the C program, written
/// so that they differ in nothing else. Each returns the sum of what it read.
/// </summary>
internal sealed class ReadLoops : IDisposable
{
    private readonly RcuDomain _domain = new();
    private readonly ReaderWriterLockSlim _readerWriterLock = new();
    private readonly object _monitor = new();
    private readonly Lock _lock = new();
    private readonly LightEpoch _epoch = new();
    private readonly RcuCell<Box> _cell;
    private Box _published = new();

    public ReadLoops() => _cell = new RcuCell<Box>(new Box(), _domain, static _ => { });

    public RcuDomain Domain => _domain;

    public void Dispose()
    {
        _cell.Dispose();
        _domain.Dispose();
        _readerWriterLock.Dispose();
        _epoch.Dispose();
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    public long Bare(long turns)
    {
        long sum = 0;
        for (long i = 0; i < turns; i++)
        {
            sum += Volatile.Read(ref _published).Number;
        }

        return sum;
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    public long Section(long turns)
    {
        RcuDomain domain = _domain;
        long sum = 0;
        for (long i = 0; i < turns; i++)
        {
            using RcuReadSection section = domain.EnterReadSection();
            sum += Volatile.Read(ref _published).Number;
        }

        return sum;
    }

    /// <summary>Without the <c>finally</c> that comes with <c>using</c>: what the C program does.</summary>
    [MethodImpl(MethodImplOptions.NoInlining)]
    public long SectionWithoutFinally(long turns)
    {
        RcuDomain domain = _domain;
        long sum = 0;
        for (long i = 0; i < turns; i++)
        {
            RcuReadSection section = domain.EnterReadSection();
            sum += Volatile.Read(ref _published).Number;
            section.Dispose();
        }

        return sum;
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    public long BareCalled(long turns)
    {
        long sum = 0;
        for (long i = 0; i < turns; i++)
        {
            sum += ReadBare();
        }

        return sum;
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    public long SectionCalled(long turns)
    {
        long sum = 0;
        for (long i = 0; i < turns; i++)
        {
            sum += ReadInSection();
        }

        return sum;
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    public long HeldReader(long turns)
    {
        RcuReader reader = _domain.GetReader();
        long sum = 0;
        for (long i = 0; i < turns; i++)
        {
            using RcuReadSection section = reader.EnterReadSection();
            sum += Volatile.Read(ref _published).Number;
        }

        return sum;
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    public long Cell(long turns)
    {
        RcuCell<Box> cell = _cell;
        long sum = 0;
        for (long i = 0; i < turns; i++)
        {
            using RcuReadSection section = cell.Read(out Box value);
            sum += value.Number;
        }

        return sum;
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    public long AsyncSection(long turns)
    {
        long sum = 0;
        for (long i = 0; i < turns; i++)
        {
            using RcuAsyncReadSection section = _domain.EnterAsyncReadSection();
            sum += Volatile.Read(ref _published).Number;
        }

        return sum;
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    public long ReaderWriterLock(long turns)
    {
        long sum = 0;
        for (long i = 0; i < turns; i++)
        {
            _readerWriterLock.EnterReadLock();
            sum += Volatile.Read(ref _published).Number;
            _readerWriterLock.ExitReadLock();
        }

        return sum;
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    public long Monitor(long turns)
    {
        long sum = 0;
        for (long i = 0; i < turns; i++)
        {
            lock (_monitor)
            {
                sum += Volatile.Read(ref _published).Number;
            }
        }

        return sum;
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    public long LockClass(long turns)
    {
        long sum = 0;
        for (long i = 0; i < turns; i++)
        {
            lock (_lock)
            {
                sum += Volatile.Read(ref _published).Number;
            }
        }

        return sum;
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    public long Epoch(long turns)
    {
        long sum = 0;
        for (long i = 0; i < turns; i++)
        {
            _epoch.Resume();
            sum += Volatile.Read(ref _published).Number;
            _epoch.Suspend();
        }

        return sum;
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private long ReadBare() => Volatile.Read(ref _published).Number;

    [MethodImpl(MethodImplOptions.NoInlining)]
    private long ReadInSection()
    {
        using RcuReadSection section = _domain.EnterReadSection();
        return Volatile.Read(ref _published).Number;
    }

    private sealed class Box
    {
        public long Number = 1;
    }
}
