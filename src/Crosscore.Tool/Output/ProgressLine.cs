using System.Globalization;
using Crosscore.Model.Exploration;

namespace Crosscore.Tool.Output;

/// <summary>One line on the terminal's error stream that tells how far a long exploration is; nothing when that is no terminal.</summary>
internal sealed class ProgressLine : IProgress<ExplorationProgress>, IDisposable
{
    // A shorter exploration ends before anybody has read a line.
    private static readonly TimeSpan Patience = TimeSpan.FromMilliseconds(500);

    private readonly bool _visible = !Console.IsErrorRedirected;
    private string _name = "";
    private TimeSpan _shownAt;
    private int _length;

    public void Begin(string file)
    {
        _name = Path.GetFileNameWithoutExtension(file);
        _shownAt = TimeSpan.Zero;
    }

    public void Report(ExplorationProgress value)
    {
        if (!_visible || value.Elapsed - _shownAt < Patience)
        {
            return;
        }

        _shownAt = value.Elapsed;
        string line = string.Create(
            CultureInfo.InvariantCulture,
            $"{_name}: {value.States:N0} states, {value.States / value.Elapsed.TotalSeconds / 1e6:0.00} M/s, frontier {value.Frontier:N0}, step {value.Depth}, {value.Elapsed.TotalSeconds:0} s");
        Console.Error.Write("\r" + line.PadRight(_length));
        _length = line.Length;
    }

    public void Clear()
    {
        if (_length > 0)
        {
            Console.Error.Write("\r" + new string(' ', _length) + "\r");
            _length = 0;
        }
    }

    public void Dispose() => Clear();
}
