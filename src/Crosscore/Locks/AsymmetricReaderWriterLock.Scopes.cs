using System.Runtime.CompilerServices;

namespace Crosscore.Locks;

/// <content>The open sections.</content>
public sealed partial class AsymmetricReaderWriterLock
{
    /// <summary>
    /// An open read section; <see cref="Dispose"/> ends it. A ref struct, so it stays on its thread and never crosses
    /// an <c>await</c>.
    /// </summary>
    public ref struct ReadScope : IDisposable
    {
        private readonly ReaderLine? _line;
        private AsymmetricReaderWriterLock? _lock; // null when the section has ended
        private readonly int _entry;

        internal ReadScope(AsymmetricReaderWriterLock @lock, ReaderLine line, int entry)
        {
            _lock = @lock;
            _line = line;
            _entry = entry;
        }

        /// <summary>
        /// Exits. The second Dispose does nothing, nor does that of a default scope. A copy of a scope that was
        /// disposed of throws; if the thread has entered again, the copy cannot be distinguished and ends that section,
        /// so do not copy scopes.
        /// </summary>
        /// <exception cref="SynchronizationLockException">The scope is a copy of one that was disposed of. Nothing was
        /// changed.</exception>
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public void Dispose()
        {
            AsymmetricReaderWriterLock? entered = _lock;
            if (entered is null)
            {
                return;
            }

            if (!_line!.TryWithdraw(_entry, entered._id))
            {
                ThrowNotReading();
            }

            _lock = null;
            entered.WakeWriter();
        }
    }

    /// <summary>The open write section; <see cref="Dispose"/> ends it.</summary>
    public ref struct WriteScope : IDisposable
    {
        private AsymmetricReaderWriterLock? _lock; // null when the section has ended

        internal WriteScope(AsymmetricReaderWriterLock @lock) => _lock = @lock;

        /// <summary>
        /// Exits. The second Dispose does nothing, nor does that of a default scope. A copy of a scope that was
        /// disposed of throws, unless the thread has entered again; so do not copy scopes.
        /// </summary>
        /// <exception cref="SynchronizationLockException">The scope is a copy of one that was disposed of. Nothing was
        /// changed.</exception>
        public void Dispose()
        {
            _lock?.ExitWriteLock();
            _lock = null;
        }
    }
}
