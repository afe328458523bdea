using System.Diagnostics;
using System.Globalization;
using Crosscore.Model.Exploration;
using Crosscore.Threads;

namespace Crosscore.Tool.Output;

/// <summary>
/// One line on the terminal's error stream that tells what a long examination is at: how far an exploration is, or for
/// how long nothing was heard, as while the machine runs. Nothing when that is no terminal.
/// </summary>
internal sealed class ProgressLine : IProgress<ExplorationProgress>, IDisposable
{
    // What takes less time ends before anybody has read a line.
    private static readonly TimeSpan Patience = TimeSpan.FromMilliseconds(500);

    private readonly bool _visible = !Console.IsErrorRedirected;
    private readonly Lock _lock = new();
    private readonly Timer _timer;
    private string? _name;
    private long _began;
    private long _shown;
    private int _length;

    public ProgressLine() => _timer = new Timer(_ => Wait(), null, Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);

    public void Begin(string file)
    {
        lock (_lock)
        {
            _name = Path.GetFileNameWithoutExtension(file);
            _began = _shown = Stopwatch.GetTimestamp();
        }

        if (_visible)
        {
            _timer.Change(2 * Patience, Patience);
        }
    }

    public void Report(ExplorationProgress value)
    {
        if (_visible && Stopwatch.GetElapsedTime(_shown) >= Patience)
        {
            Show(
                string.Create(
                    CultureInfo.InvariantCulture,
                    $"{value.States:N0} states, {value.States / value.Elapsed.TotalSeconds / 1e6:0.00} M/s, "
                        + $"frontier {value.Frontier:N0}, step {value.Depth}, {value.Elapsed.TotalSeconds:0} s"
                )
            );
        }
    }

    public void Clear()
    {
        lock (_lock)
        {
            _name = null;
            if (_length > 0)
            {
                Console.Error.Write("\r" + new string(' ', _length) + "\r");
                _length = 0;
            }
        }
    }

    public void Dispose()
    {
        _timer.Dispose();
        Clear();
    }

    // An exploration reports by itself; what does not is a run on the machine, or something that begins.
    private void Wait()
    {
        if (Stopwatch.GetElapsedTime(_shown) >= 2 * Patience)
        {
            Show(
                string.Create(
                    CultureInfo.InvariantCulture,
                    $"running, {Stopwatch.GetElapsedTime(_began).TotalSeconds:0} s"
                )
            );
        }
    }

    private void Show(string text)
    {
        lock (_lock)
        {
            if (_name is not null)
            {
                string line = $"{_name}: {text}";
                Console.Error.Write("\r" + line.PadRight(_length));
                _length = line.Length;
                _shown = Stopwatch.GetTimestamp();
            }
        }
    }
}
