using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using Crosscore.Threads;

namespace Crosscore.Locks;

/// <summary>
/// One period during which a <see cref="BiasedLock"/> belongs to a thread. It is revoked once and never reused: the
/// next period has another object, so no thread confuses the two. Only the owner writes <c>_held</c>; nothing else that
/// is written often lies within 128 bytes of it.
/// </summary>
[StructLayout(LayoutKind.Explicit)]
internal sealed class Bias(Thread owner)
{
    // How often a waiting revoker looks whether the owner is alive: an owner that ends inside wakes no thread.
    private static readonly TimeSpan DeadOwnerPeriod = TimeSpan.FromSeconds(1);

    [FieldOffset(120)]
    private readonly Thread _owner = owner;

    // Set by the owner when it has left and sees that the bias is revoked. Written by the revoker before _revoked.
    [FieldOffset(128)]
    private ManualResetEventSlim? _letGo;

    // How often the owner has entered.
    [FieldOffset(136)]
    private int _held;

    // Whether the bias is revoked. Written by the thread that holds the lock behind the bias.
    [FieldOffset(140)]
    private bool _revoked;

    // Whether a process-wide barrier has passed since then. False after a barrier that failed: the next thread retries.
    [FieldOffset(141)]
    private bool _fenced;

    [FieldOffset(144)]
    public CacheLines Behind;

    public bool IsOwner
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        get => _owner == Thread.CurrentThread;
    }

    /// <summary>Whether the owner is inside; for other threads the answer may be outdated.</summary>
    public bool IsHeld => Volatile.Read(ref _held) > 0;

    /// <summary>Enters unless the bias was revoked. For the owner only.</summary>
    /// <remarks>
    /// Store, light fence, look. Pairs with <see cref="TryRevoke"/>, which stores, passes a process-wide barrier and
    /// looks: at least one of the two sees the other. Fails without: litmus/locks/BiasedLock.NoBarrier.litmus.
    /// </remarks>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public bool TryEnter()
    {
        int held = _held;
        Volatile.Write(ref _held, held + 1);
        if (held > 0)
        {
            return true; // a revoker waits for the outermost exit, whether it has begun to wait or not
        }

        AsymmetricFence.Light();
        if (!Volatile.Read(ref _revoked))
        {
            return true;
        }

        Leave();
        return false;
    }

    /// <summary>Exits. For the owner only.</summary>
    /// <remarks>
    /// A release store: the section comes before it. Pairs with the acquire load in <see cref="TryRevoke"/>. With a
    /// plain store an AArch64 core may show the revoker that the owner has left before it shows what the owner wrote
    /// inside, and the revoker would need a second process-wide barrier after its wait; the .NET runtime's own test of
    /// such a lock lacked both for years (dotnet/runtime#39668). Fails without:
    /// litmus/locks/BiasedLock.Exit.PlainStore.litmus. The light fence and the look that follow pair with the revoker's
    /// barrier as above: either the revoker sees that the owner has left, or the owner wakes it. Fails without:
    /// litmus/locks/BiasedLock.WakeUp.NoBarrier.litmus.
    /// </remarks>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void Exit()
    {
        int held = _held;
        if (held <= 0)
        {
            BiasedLock.ThrowNotHeld();
        }

        if (held == 1)
        {
            Leave();
        }
        else
        {
            Volatile.Write(ref _held, held - 1);
        }
    }

    /// <summary>
    /// Revokes the bias, and waits until the owner is outside. For the thread that holds the lock behind the bias.
    /// </summary>
    /// <returns>Whether the owner is outside; otherwise it was inside until the time was over. The bias is revoked in
    /// any case.</returns>
    /// <exception cref="SynchronizationLockException">The owner ended inside.</exception>
    /// <exception cref="OperationCanceledException">The wait was canceled.</exception>
    /// <exception cref="ThreadInterruptedException">The thread was interrupted while it waited.</exception>
    public bool TryRevoke(Deadline deadline)
    {
        if (!_fenced)
        {
            _letGo ??= new ManualResetEventSlim();
            Volatile.Write(ref _revoked, true);

            // Pairs with the light fences of TryEnter and Leave.
            AsymmetricFence.Heavy();
            _fenced = true;
        }

        while (Volatile.Read(ref _held) != 0)
        {
            if (_owner.IsAlive)
            {
                // The event stays set: from then on the owner raises _held only to lower it again.
                if (!_letGo!.Wait(deadline.Slice(DeadOwnerPeriod), deadline.Cancellation) && deadline.IsOver)
                {
                    return Volatile.Read(ref _held) == 0;
                }
            }
            else if (Volatile.Read(ref _held) != 0)
            {
                throw new SynchronizationLockException(
                    "The thread that held the lock ended without releasing it, so what the lock protects may be half "
                        + "changed. The lock cannot be entered any more: replace it together with what it protects."
                );
            }
        }

        return true;
    }

    private void Leave()
    {
        Volatile.Write(ref _held, 0);
        AsymmetricFence.Light();
        if (Volatile.Read(ref _revoked))
        {
            WakeRevoker();
        }
    }

    // Not inlined, so that leaving stays small.
    [MethodImpl(MethodImplOptions.NoInlining)]
    private void WakeRevoker()
    {
        using var uninterrupted = new Uninterrupted();
        uninterrupted.Set(_letGo!);
    }
}
